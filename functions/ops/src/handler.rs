//! One function per route, and what is answered where there is none.

use std::time::Instant;

use aws_lambda_events::http::StatusCode;
use pillarbox_domain::active_hours::MarkedHours;
use pillarbox_domain::archive::ArchiveReader;
use pillarbox_domain::credential::{ApiKey, SECRET_BYTES, Scope, StoredKey};
use pillarbox_domain::dispatch::DeliveryQueues;
use pillarbox_domain::dispatch_switch::DispatchSwitch;
use pillarbox_domain::event_query::{EventBodies, LogIndex};
use pillarbox_domain::health::Examine;
use pillarbox_domain::job::{JobQueue, JobStore};
use pillarbox_domain::letters::LetterStore;
use pillarbox_domain::receipt::{ReceiptLedger, ReceiptReader};
use pillarbox_domain::registry::{Added, Registry, SubscriptionRegistry};
use pillarbox_domain::schedule::Schedules;
use pillarbox_domain::schema::delivery::Upcasts;
use pillarbox_domain::schema::{SchemaReader, SchemaWriter};
use pillarbox_domain::seal::SealStore;
use pillarbox_domain::stats::RollupStore;
use pillarbox_domain::tenant_settings::{
    Changed, TenantSettings, TenantSettingsReader, TenantSettingsWriter,
};
use pillarbox_domain::trouble::{TroubleLedger, TroubledDeliveries};
use pillarbox_domain::{Clock, ErrorChain, TenantId};
use pillarbox_runtime::http::{Caller, Problem, Request, Response, json};
use serde_json::json as object;

use crate::dead_letters::DeadLetters;
use crate::events::Events;
use crate::integrity::Vault;
use crate::jobs::{Jobs, Step};
use crate::journey::{self, Deliveries};
use crate::requests::{new_key, new_tenant, settings_change};
use crate::routes::refused;
use crate::stats::{self, Statistics};
use crate::{correlations, dispatch, health, schedules, schemas, subscriptions};

/// The operator's API.
pub(crate) struct Ops<R, L, M, C, F, D, Q, U, P, T, W, H, V, A, J, K, G, N> {
    /// Tenants, keys and subscriptions.
    pub(crate) registry: R,
    /// The log.
    pub(crate) events: Events<L, M, C>,
    /// What failed for good.
    pub(crate) dead_letters: DeadLetters<D, Q, U, C>,
    /// What was handed over, and what is in trouble.
    pub(crate) deliveries: Deliveries<P, T>,
    /// What all of it came to.
    pub(crate) statistics: Statistics<P, G>,
    /// Closed hours.
    pub(crate) vault: Vault<V, A>,
    /// What is sent again.
    pub(crate) jobs: Jobs<J, K, C>,
    /// Dispatch as a whole.
    pub(crate) switch: W,
    /// What is sent again at its times.
    pub(crate) schedules: H,
    /// What looks whether the bus is well.
    pub(crate) examiner: N,
    /// What a subscriber queue's name begins with.
    pub(crate) queue_prefix: String,
    /// Fills a buffer with random bytes from the system.
    pub(crate) random: F,
}

impl<R, L, M, C, F, D, Q, U, P, T, W, H, V, A, J, K, G, N, E>
    Ops<R, L, M, C, F, D, Q, U, P, T, W, H, V, A, J, K, G, N>
where
    R: Registry + TenantSettingsReader + TenantSettingsWriter + SchemaReader + SchemaWriter + Sync,
    R: SubscriptionRegistry,
    L: LogIndex + EventBodies + Sync,
    M: MarkedHours + Sync,
    C: Clock + Sync,
    D: LetterStore + Sync,
    Q: DeliveryQueues + Sync,
    U: Upcasts + Sync,
    P: ReceiptReader + ReceiptLedger + Sync,
    T: TroubledDeliveries + TroubleLedger + Sync,
    W: DispatchSwitch,
    H: Schedules + Sync,
    V: SealStore + Sync,
    A: ArchiveReader + Sync,
    J: JobStore + Sync,
    K: JobQueue + Sync,
    G: RollupStore + Sync,
    N: Examine,
    F: Fn(&mut [u8]) -> Result<(), E>,
    E: std::error::Error + 'static,
{
    /// Answers a request, whatever it is, and logs it.
    pub(crate) async fn handle(&self, request: &Request) -> Response {
        let started = Instant::now();
        let route = request.route_key.as_deref().unwrap_or_default();
        let answer = self.route(route, request).await;
        let response = answer.unwrap_or_else(Problem::into_response);
        let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
        tracing::info!(
            route,
            status = response.status_code,
            duration_ms,
            "request.answered"
        );
        response
    }

    async fn route(&self, route: &str, request: &Request) -> Result<Response, Problem> {
        let http = &request.request_context.http;
        let path = http.path.as_deref().unwrap_or_default();
        if let Some(methods) = refused(http.method.as_str(), path) {
            return Err(Problem::method_not_allowed(path, methods));
        }
        match route {
            "GET /v1/health" => Ok(json(StatusCode::OK, &object!({ "status": "ok" }))),
            "GET /v1/health/deep" => health::show(&self.examiner, request).await,
            "GET /v1/events" => self.events.list(&self.registry, request).await,
            "GET /v1/events/{event_id}" => self.events.show(&self.registry, request).await,
            "GET /v1/events/{event_id}/journey" => self.journey(request).await,
            "GET /v1/correlations/{correlation_id}" => self.operation(request).await,
            _ if route.starts_with("GET /v1/stats") => self.stats(route, request).await,
            "GET /v1/integrity" => self.audit(request).await,
            "GET /v1/archive" => self.vault.list(&self.events.marks, request).await,
            "POST /v1/tenants" => self.add_tenant(request).await,
            "GET /v1/tenants/{tenant}" => self.show_tenant(request).await,
            "PATCH /v1/tenants/{tenant}" => self.change_tenant(request).await,
            "POST /v1/tenants/{tenant}/keys" => self.add_key(request).await,
            "GET /v1/dispatch" => dispatch::show(&self.switch, request).await,
            "POST /v1/dispatch/pause" => dispatch::set(&self.switch, request, false).await,
            "POST /v1/dispatch/resume" => dispatch::set(&self.switch, request, true).await,
            _ if route.contains(" /v1/subscriptions") => self.subscriptions(route, request).await,
            _ if route.contains(" /v1/dead-letters") => self.dead_letters(route, request).await,
            _ if route.contains(" /v1/schedules") => self.schedules(route, request).await,
            "POST /v1/replays" => self.replay(request).await,
            "POST /v1/redrives" => self.jobs.redrive(&self.registry, request).await,
            _ if route.contains(" /v1/jobs") => self.jobs(route, request).await,
            _ if route.contains(" /v1/schemas") => self.schemas(route, request).await,
            _ => Err(no_such_route(request)),
        }
    }

    async fn subscriptions(&self, route: &str, request: &Request) -> Result<Response, Problem> {
        use subscriptions as routes;
        let (registry, clock) = (&self.registry, &self.events.clock);
        let (prefix, now) = (&self.queue_prefix, clock.now());
        match route {
            "POST /v1/subscriptions" => routes::add(registry, request, prefix, now).await,
            "GET /v1/subscriptions" => routes::list(registry, request).await,
            "POST /v1/subscriptions/test" => routes::test(registry, &self.events, request).await,
            "GET /v1/subscriptions/{subscription}" => routes::show(registry, request).await,
            "PATCH /v1/subscriptions/{subscription}" => {
                routes::change(registry, request, prefix, now).await
            }
            "DELETE /v1/subscriptions/{subscription}" => routes::remove(registry, request).await,
            "POST /v1/subscriptions/{subscription}/pause" => {
                routes::pause(registry, request, clock).await
            }
            "POST /v1/subscriptions/{subscription}/resume" => {
                routes::resume(registry, request, clock).await
            }
            "POST /v1/subscriptions/{subscription}/test" => {
                routes::test_registered(registry, &self.events, request).await
            }
            _ => Err(no_such_route(request)),
        }
    }

    async fn dead_letters(&self, route: &str, request: &Request) -> Result<Response, Problem> {
        let (letters, registry) = (&self.dead_letters, &self.registry);
        match route {
            "GET /v1/dead-letters" => letters.list(request).await,
            "POST /v1/dead-letters/redrive" => letters.redrive_all(registry, request).await,
            "GET /v1/dead-letters/{dead_letter_id}" => letters.show(request).await,
            "POST /v1/dead-letters/{dead_letter_id}/redrive" => {
                letters.redrive(registry, request).await
            }
            "POST /v1/dead-letters/{dead_letter_id}/discard" => letters.discard(request).await,
            _ => Err(no_such_route(request)),
        }
    }

    async fn schedules(&self, route: &str, request: &Request) -> Result<Response, Problem> {
        let (kept, registry, prefix) = (&self.schedules, &self.registry, &self.queue_prefix);
        let now = self.events.clock.now();
        match route {
            "POST /v1/schedules" => schedules::add(kept, registry, prefix, request, now).await,
            "GET /v1/schedules" => schedules::list(kept, request).await,
            "GET /v1/schedules/{schedule}" => schedules::show(kept, request).await,
            "DELETE /v1/schedules/{schedule}" => schedules::remove(kept, request).await,
            _ => Err(no_such_route(request)),
        }
    }

    async fn replay(&self, request: &Request) -> Result<Response, Problem> {
        let (registry, prefix) = (&self.registry, &self.queue_prefix);
        self.jobs.replay(registry, prefix, request).await
    }

    async fn jobs(&self, route: &str, request: &Request) -> Result<Response, Problem> {
        let jobs = &self.jobs;
        match route {
            "GET /v1/jobs" => jobs.list(request).await,
            "GET /v1/jobs/{job_id}" => jobs.show(request).await,
            "GET /v1/jobs/{job_id}/failures" => jobs.failures(request).await,
            "POST /v1/jobs/{job_id}/pause" => jobs.change(request, Step::Pause).await,
            "POST /v1/jobs/{job_id}/resume" => jobs.change(request, Step::Resume).await,
            "POST /v1/jobs/{job_id}/cancel" => jobs.change(request, Step::Cancel).await,
            _ => Err(no_such_route(request)),
        }
    }

    async fn schemas(&self, route: &str, request: &Request) -> Result<Response, Problem> {
        let registry = &self.registry;
        match route {
            "GET /v1/schemas" => schemas::list(registry, request).await,
            "GET /v1/schemas/{type}" => schemas::show_type(registry, request).await,
            "PUT /v1/schemas/{type}" => schemas::change_mode(registry, request).await,
            "PUT /v1/schemas/{type}/{version}" => schemas::add(registry, request).await,
            "GET /v1/schemas/{type}/{version}" => schemas::show(registry, request).await,
            "POST /v1/schemas/{type}/{version}/check" => schemas::check(registry, request).await,
            _ => Err(no_such_route(request)),
        }
    }

    async fn journey(&self, request: &Request) -> Result<Response, Problem> {
        let letters = &self.dead_letters.letters;
        journey::show(
            &self.registry,
            &self.events,
            &self.deliveries,
            letters,
            &self.vault,
            &self.jobs.store,
            request,
        )
        .await
    }

    async fn operation(&self, request: &Request) -> Result<Response, Problem> {
        let (events, deliveries) = (&self.events, &self.deliveries);
        correlations::show(&self.registry, events, deliveries, &self.vault, request).await
    }

    async fn stats(&self, route: &str, request: &Request) -> Result<Response, Problem> {
        let (letters, rows) = (&self.dead_letters.letters, &self.deliveries.rows);
        let now = self.events.clock.now();
        let reader = self.statistics.reader(letters, rows, now);
        match route {
            "GET /v1/stats" => stats::show(&self.registry, &reader, request).await,
            "GET /v1/stats/slow" => stats::slow(&self.registry, &reader, request).await,
            "GET /v1/stats/failed" => stats::failed(&self.registry, &reader, request).await,
            _ => Err(no_such_route(request)),
        }
    }

    async fn audit(&self, request: &Request) -> Result<Response, Problem> {
        let (events, deliveries) = (&self.events, &self.deliveries);
        self.vault
            .audit(&self.registry, events, deliveries, request)
            .await
    }

    async fn add_tenant(&self, request: &Request) -> Result<Response, Problem> {
        Caller::of(request)?.require(Scope::Admin)?;
        let new = new_tenant(request)?;
        let added = self
            .registry
            .add_tenant(&new.tenant, new.name.as_deref())
            .await?;
        Ok(json(
            status(added)?,
            &object!({ "tenant": new.tenant.as_str() }),
        ))
    }

    async fn add_key(&self, request: &Request) -> Result<Response, Problem> {
        Caller::of(request)?.require(Scope::Admin)?;
        let tenant = self.registered_tenant(request).await?;
        let new = new_key(request)?;
        if new.scopes.contains(&Scope::Admin) {
            return Err(Problem::invalid_field(
                "scopes",
                "admin belongs to the bus, not to a tenant",
            ));
        }
        let key = ApiKey::new(tenant, &self.secret()?);
        let stored = StoredKey {
            tenant: key.tenant().clone(),
            digest: key.digest(),
            scopes: new.scopes,
            name: new.name,
        };
        self.registry.add_key(&stored).await?;
        Ok(json(StatusCode::CREATED, &shown_once(&key, &stored)))
    }

    async fn show_tenant(&self, request: &Request) -> Result<Response, Problem> {
        Caller::of(request)?.require(Scope::Admin)?;
        let tenant = named_tenant(request)?;
        let settings = self.registry.settings(&tenant).await?;
        let settings = settings.ok_or_else(|| no_such_tenant(&tenant))?;
        Ok(json(StatusCode::OK, &shown(&tenant, &settings)))
    }

    async fn change_tenant(&self, request: &Request) -> Result<Response, Problem> {
        Caller::of(request)?.require(Scope::Admin)?;
        let tenant = named_tenant(request)?;
        let change = settings_change(request)?;
        match self.registry.change_settings(&tenant, &change).await? {
            Changed::Done(settings) => Ok(json(StatusCode::OK, &shown(&tenant, &settings))),
            Changed::NoTenant => Err(no_such_tenant(&tenant)),
            Changed::FewerShards(there) => Err(Problem::conflict(format!(
                "The tenant's log has {} shards, and their number only grows. Nothing was changed.",
                there.count()
            ))),
        }
    }

    async fn registered_tenant(&self, request: &Request) -> Result<TenantId, Problem> {
        let tenant = named_tenant(request)?;
        if self.registry.has_tenant(&tenant).await? {
            Ok(tenant)
        } else {
            Err(no_such_tenant(&tenant))
        }
    }

    fn secret(&self) -> Result<[u8; SECRET_BYTES], Problem> {
        let mut secret = [0; SECRET_BYTES];
        (self.random)(&mut secret).map_err(|error| {
            tracing::error!(error = %ErrorChain(&error), "random.failed");
            Problem::internal()
        })?;
        Ok(secret)
    }
}

/// The tenant that the path names.
fn named_tenant(request: &Request) -> Result<TenantId, Problem> {
    let named = request.path_parameters.get("tenant");
    let tenant = named.map(String::as_str).unwrap_or_default().parse();
    tenant.map_err(|error| Problem::invalid_field("tenant", error))
}

fn no_such_tenant(tenant: &TenantId) -> Problem {
    Problem::not_found(format!("There is no tenant '{tenant}'."))
}

fn shown(tenant: &TenantId, settings: &TenantSettings) -> serde_json::Value {
    object!({
        "tenant": tenant.as_str(),
        "name": settings.name,
        "retention_days": settings.retention.days(),
        "log_shards": settings.log_shards.count(),
    })
}

/// 201 for what is new, 200 for what was there, 409 for what is there instead.
fn status(added: Added) -> Result<StatusCode, Problem> {
    match added {
        Added::New => Ok(StatusCode::CREATED),
        Added::Unchanged => Ok(StatusCode::OK),
        Added::Differs => Err(Problem::conflict(
            "It exists, with other settings. Nothing was changed.",
        )),
    }
}

fn shown_once(key: &ApiKey, stored: &StoredKey) -> serde_json::Value {
    let scopes: Vec<&str> = stored.scopes.iter().map(|scope| scope.as_str()).collect();
    object!({
        "key": key.expose(),
        "key_id": stored.digest.key_id().to_string(),
        "tenant": stored.tenant.as_str(),
        "scopes": scopes,
    })
}

fn no_such_route(request: &Request) -> Problem {
    let http = &request.request_context.http;
    let path = http.path.as_deref().unwrap_or_default();
    Problem::not_found(format!("There is no {} {path}.", http.method))
}

#[cfg(test)]
mod tests;
