//! `GET /v1/integrity` and `GET /v1/archive`: the proof that nothing of a tenant is missing, and what is kept for good.

use aws_lambda_events::http::StatusCode;
use pillarbox_aws::{Clients, DynamoSeals, S3Archive};
use pillarbox_domain::active_hours::MarkedHours;
use pillarbox_domain::archive::{ArchiveLister, ArchiveQuery, ArchiveReader, ShownManifest};
use pillarbox_domain::credential::Scope;
use pillarbox_domain::event_query::LogIndex;
use pillarbox_domain::integrity::{Auditor, Bounds, IntegrityQuery, PATIENCE, ShownAudit};
use pillarbox_domain::receipt::ReceiptLedger;
use pillarbox_domain::seal::SealStore;
use pillarbox_domain::tenant_settings::TenantSettingsReader;
use pillarbox_domain::trouble::TroubleLedger;
use pillarbox_domain::{Clock, StoreError};
use pillarbox_runtime::http::{Caller, Problem, Request, Response, json, query_parameters};
use serde::Serialize;
use time::UtcDateTime;

use crate::config::Names;
use crate::events::{Events, refused};
use crate::journey::Deliveries;

/// Closed hours.
pub(crate) struct Vault<V, A> {
    /// The chain of their seals.
    pub(crate) seals: V,
    /// What is in them.
    pub(crate) archive: A,
}

/// A page of archived hours as it is answered.
#[derive(Serialize)]
struct ArchiveList<'a> {
    hours: Vec<ShownManifest<'a>>,
    next_cursor: Option<String>,
}

impl Vault<DynamoSeals, S3Archive> {
    pub(crate) fn on_aws(clients: &Clients, names: &Names) -> Self {
        Self {
            seals: DynamoSeals::new(clients.dynamodb(), names.outbox_table.clone()),
            archive: S3Archive::new(clients.s3(), names.archive_bucket.clone()),
        }
    }
}

impl<V, A> Vault<V, A>
where
    V: SealStore + Sync,
    A: ArchiveReader + Sync,
{
    /// `GET /v1/integrity`
    pub(crate) async fn audit<S, L, M, C, P, T>(
        &self,
        settings: &S,
        events: &Events<L, M, C>,
        deliveries: &Deliveries<P, T>,
        request: &Request,
    ) -> Result<Response, Problem>
    where
        S: TenantSettingsReader + Sync,
        L: LogIndex + Sync,
        M: MarkedHours + Sync,
        C: Clock,
        P: ReceiptLedger + Sync,
        T: TroubleLedger + Sync,
    {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Read)?;
        let now = events.clock.now();
        let query = IntegrityQuery::parse(tenant, &query_parameters(request)?, now);
        let auditor = Auditor {
            settings,
            index: &events.log,
            marks: &events.marks,
            receipts: &deliveries.receipts,
            trouble: &deliveries.rows,
            seals: &self.seals,
            archive: &self.archive,
            now,
            bounds: Bounds::default(),
            patience: PATIENCE,
        };
        let audit = auditor.audit(tenant, &query.map_err(refused)?).await?;
        Ok(json(StatusCode::OK, &ShownAudit(&audit)))
    }

    /// `GET /v1/archive`
    pub(crate) async fn list<M: MarkedHours + Sync>(
        &self,
        marks: &M,
        request: &Request,
    ) -> Result<Response, Problem> {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Read)?;
        let query = ArchiveQuery::parse(tenant, &query_parameters(request)?).map_err(refused)?;
        let lister = ArchiveLister {
            marks,
            seals: &self.seals,
            archive: &self.archive,
        };
        let page = lister.list(tenant, &query).await?;
        let list = ArchiveList {
            hours: page.manifests.iter().map(ShownManifest).collect(),
            next_cursor: page.next_cursor,
        };
        Ok(json(StatusCode::OK, &list))
    }

    /// The watermark: of events before it every receipt was held against the log.
    pub(crate) async fn sealed_before(&self) -> Result<Option<UtcDateTime>, StoreError> {
        let head = self.seals.head().await?;
        Ok(head.map(|head| head.sealed_before.start()))
    }
}

#[cfg(test)]
mod tests;
