//! Who is calling: what the authorizer found out, and nothing that the request says of itself.

use std::collections::BTreeSet;

use pillarbox_domain::credential::{Grant, Scope};
use pillarbox_domain::{StoreError, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Problem, Request};

/// What the authorizer passes on in the request's context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum CallerContext {
    /// The credential proved this tenant.
    Known {
        /// Whose credential it is.
        tenant: String,
        /// What it allows, separated by spaces: the context has no lists.
        scopes: String,
    },
    /// There was no credential, or not one of ours.
    Unknown,
    /// It could not be found out; the caller should try again.
    Unavailable,
}

impl From<&Grant> for CallerContext {
    fn from(grant: &Grant) -> Self {
        let scopes: Vec<&str> = grant.scopes.iter().map(|scope| scope.as_str()).collect();
        Self::Known {
            tenant: grant.tenant.to_string(),
            scopes: scopes.join(" "),
        }
    }
}

/// A caller whose credential was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    tenant: TenantId,
    scopes: BTreeSet<Scope>,
}

impl Caller {
    /// The caller of this request; 401 when the authorizer knew nobody, 503 when it could not know.
    ///
    /// A request that reached the function past the authorizer has no context, and so no caller.
    pub fn of(request: &Request) -> Result<Self, Problem> {
        let authorizer = request.request_context.authorizer.as_ref();
        let fields = authorizer
            .map(|authorizer| authorizer.fields.clone())
            .unwrap_or_default();
        let context = serde_json::from_value(Value::Object(fields.into_iter().collect()));
        match context.unwrap_or(CallerContext::Unknown) {
            CallerContext::Known { tenant, scopes } => {
                Self::known(&tenant, &scopes).ok_or_else(Problem::unauthorized)
            }
            CallerContext::Unknown => Err(Problem::unauthorized()),
            CallerContext::Unavailable => Err(Problem::unavailable(StoreError::RETRY_AFTER)),
        }
    }

    fn known(tenant: &str, scopes: &str) -> Option<Self> {
        let tenant = tenant.parse().ok()?;
        let scopes = scopes
            .split(' ')
            .filter_map(|scope| scope.parse().ok())
            .collect();
        Some(Self { tenant, scopes })
    }

    /// The tenant that the credential proved.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The tenant, if the caller has this scope; 403 when not.
    pub fn require(&self, scope: Scope) -> Result<&TenantId, Problem> {
        if self.scopes.contains(&scope) {
            Ok(&self.tenant)
        } else {
            Err(Problem::forbidden(format!(
                "The key needs the scope '{scope}'."
            )))
        }
    }
}
