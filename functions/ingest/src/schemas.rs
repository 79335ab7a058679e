//! Events held against the schemas of their types, before they are stored.

use pillarbox_domain::publish::PublishError;
use pillarbox_domain::schema::publishing::{SchemaCheck, Verdict};
use pillarbox_domain::schema::{DataViolations, SchemaModes, SchemaReader};
use pillarbox_domain::{CloudEvent, TenantId};

/// The event, unless it does not fit and has to.
pub(crate) async fn fitting<S: SchemaReader>(
    schemas: &SchemaCheck<S>,
    tenant: &TenantId,
    modes: &SchemaModes,
    event: CloudEvent,
) -> Result<CloudEvent, PublishError> {
    match schemas.check(tenant, modes, &event).await? {
        Verdict::Fits => Ok(event),
        Verdict::Warned(violations) => {
            warn(tenant, &event, &violations);
            Ok(event)
        }
        Verdict::Refused(violations) => Err(PublishError::Unfit(violations)),
    }
}

/// One line per event that is stored though it does not fit. What is wrong quotes the schema, and of the data names only.
fn warn(tenant: &TenantId, event: &CloudEvent, violations: &DataViolations) {
    tracing::warn!(
        tenant.id = %tenant,
        event.r#type = event.event_type(),
        event.source = event.source(),
        event.source_id = event.id(),
        %violations,
        "event.unfit"
    );
}
