//! `GET /v1/stats`, `/v1/stats/slow` and `/v1/stats/failed`: what a tenant's events came to.

use aws_lambda_events::http::StatusCode;
use pillarbox_aws::{Clients, DynamoReceipts, DynamoRollups};
use pillarbox_domain::TenantId;
use pillarbox_domain::credential::Scope;
use pillarbox_domain::letters::LetterStore;
use pillarbox_domain::receipt::ReceiptLedger;
use pillarbox_domain::registry::Registry;
use pillarbox_domain::stats::{
    FailedQuery, RollupStore, ShownFailed, ShownSlow, ShownStats, SlowQuery, StatsBounds,
    StatsQuery, StatsReader,
};
use pillarbox_domain::trouble::{TroubleLedger, TroubledDeliveries};
use pillarbox_runtime::http::{Caller, Problem, Request, Response, json, query_parameters};
use time::UtcDateTime;

use crate::config::Names;
use crate::events::refused;

/// The parameter by which an administrator names the tenant that is meant.
const TENANT: &str = "tenant";

/// What figures are made of, besides dead letters and rows of deliveries in trouble.
pub(crate) struct Statistics<P, G> {
    /// What was handed over, at half the price: what was written within the last second may be missing.
    pub(crate) receipts: P,
    /// The same, minute by minute.
    pub(crate) rollups: G,
}

impl Statistics<DynamoReceipts, DynamoRollups> {
    /// In the stack's table.
    pub(crate) fn on_aws(clients: &Clients, names: &Names) -> Self {
        let table = || names.outbox_table.clone();
        Self {
            receipts: DynamoReceipts::new(clients.dynamodb(), table()).eventually(),
            rollups: DynamoRollups::new(clients.dynamodb(), table()),
        }
    }
}

impl<P, G> Statistics<P, G> {
    /// With these letters and rows.
    pub(crate) fn reader<'a, D, T>(
        &'a self,
        letters: &'a D,
        rows: &'a T,
        now: UtcDateTime,
    ) -> StatsReader<'a, P, G, D, T> {
        StatsReader {
            receipts: &self.receipts,
            rollups: &self.rollups,
            letters,
            rows,
            now,
            bounds: StatsBounds::default(),
        }
    }
}

/// `GET /v1/stats`
pub(crate) async fn show<R, P, G, D, T>(
    registry: &R,
    reader: &StatsReader<'_, P, G, D, T>,
    request: &Request,
) -> Result<Response, Problem>
where
    R: Registry + Sync,
    P: ReceiptLedger + Sync,
    G: RollupStore + Sync,
    D: LetterStore + Sync,
    T: TroubledDeliveries + TroubleLedger + Sync,
{
    let (tenant, parameters) = asked(registry, request).await?;
    let query = StatsQuery::parse(&parameters, reader.now).map_err(refused)?;
    let stats = reader.stats(&tenant, &query).await?;
    Ok(json(StatusCode::OK, &ShownStats(&tenant, &stats)))
}

/// `GET /v1/stats/slow`
pub(crate) async fn slow<R, P, G, D, T>(
    registry: &R,
    reader: &StatsReader<'_, P, G, D, T>,
    request: &Request,
) -> Result<Response, Problem>
where
    R: Registry + Sync,
    P: ReceiptLedger + Sync,
    G: RollupStore + Sync,
    D: LetterStore + Sync,
    T: TroubledDeliveries + TroubleLedger + Sync,
{
    let (tenant, parameters) = asked(registry, request).await?;
    let query = SlowQuery::parse(&tenant, &parameters, reader.now).map_err(refused)?;
    let page = reader.slow(&tenant, &query).await?;
    Ok(json(StatusCode::OK, &ShownSlow(&page)))
}

/// `GET /v1/stats/failed`
pub(crate) async fn failed<R, P, G, D, T>(
    registry: &R,
    reader: &StatsReader<'_, P, G, D, T>,
    request: &Request,
) -> Result<Response, Problem>
where
    R: Registry + Sync,
    P: ReceiptLedger + Sync,
    G: RollupStore + Sync,
    D: LetterStore + Sync,
    T: TroubledDeliveries + TroubleLedger + Sync,
{
    let (tenant, parameters) = asked(registry, request).await?;
    let query = FailedQuery::parse(&tenant, &parameters, reader.now).map_err(refused)?;
    let page = reader.failed(&tenant, &query).await?;
    Ok(json(StatusCode::OK, &ShownFailed(&page)))
}

/// Whose figures are asked for, and the other parameters: the caller's own, or those of the tenant that an
/// administrator names, as where tenants are registered and changed. Nobody else has the parameter.
pub(crate) async fn asked<R: Registry + Sync>(
    registry: &R,
    request: &Request,
) -> Result<(TenantId, Vec<(String, String)>), Problem> {
    let caller = Caller::of(request)?;
    let mut parameters = query_parameters(request)?;
    let place = parameters.iter().position(|(name, _)| name == TENANT);
    let Some(place) = place.filter(|_| caller.require(Scope::Admin).is_ok()) else {
        return Ok((caller.require(Scope::Read)?.clone(), parameters));
    };
    let (_, named) = parameters.remove(place);
    let tenant: TenantId = named
        .parse()
        .map_err(|error| Problem::invalid_field(TENANT, error))?;
    match registry.has_tenant(&tenant).await? {
        true => Ok((tenant, parameters)),
        false => Err(Problem::not_found(format!(
            "There is no tenant '{tenant}'."
        ))),
    }
}

#[cfg(test)]
mod tests;
