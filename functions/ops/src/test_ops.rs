//! The API on stores in memory, for tests.

use std::sync::Mutex;

use pillarbox_domain::StoreError;
use pillarbox_domain::dispatch_switch::{DispatchSwitch, SwitchState};
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_runtime::http::Request;
use pillarbox_testkit::{
    ManualClock, MemoryActiveHours, MemoryArchive, MemoryEventLog, MemoryJobQueue, MemoryJobs,
    MemoryLetters, MemoryQueues, MemoryReceipts, MemoryRegistry, MemoryRollups, MemorySchedules,
    MemorySeals, MemoryTroubledDeliveries,
};
use serde_json::{Value, json};

use crate::dead_letters::DeadLetters;
use crate::events::Events;
use crate::handler::Ops;
use crate::health::tests::{TestExaminer, examiner};
use crate::integrity::Vault;
use crate::jobs::Jobs;
use crate::journey::Deliveries;
use crate::stats::Statistics;

pub(crate) type TestOps = Ops<
    MemoryRegistry,
    MemoryEventLog<ManualClock>,
    MemoryActiveHours,
    ManualClock,
    Random,
    MemoryLetters,
    MemoryQueues,
    Upcasting<MemoryRegistry, ManualClock>,
    MemoryReceipts,
    MemoryTroubledDeliveries,
    MemorySwitch,
    MemorySchedules,
    MemorySeals,
    MemoryArchive,
    MemoryJobs,
    MemoryJobQueue,
    MemoryRollups,
    TestExaminer,
>;
type Random = fn(&mut [u8]) -> Result<(), std::io::Error>;

/// A switch that is in between for one look after it was used.
pub(crate) struct MemorySwitch(Mutex<SwitchState>);

impl DispatchSwitch for MemorySwitch {
    async fn state(&self) -> Result<SwitchState, StoreError> {
        Ok(*self.0.lock().unwrap())
    }

    async fn switch(&self, on: bool) -> Result<SwitchState, StoreError> {
        *self.0.lock().unwrap() = match on {
            true => SwitchState::Enabled,
            false => SwitchState::Disabled,
        };
        Ok(SwitchState::Changing)
    }
}

pub(crate) fn ops() -> TestOps {
    let clock = ManualClock::default();
    let random: Random = |secret| {
        secret.fill(7);
        Ok(())
    };
    Ops {
        registry: MemoryRegistry::default(),
        events: Events {
            log: MemoryEventLog::new(clock.clone()),
            marks: MemoryActiveHours::default(),
            clock: clock.clone(),
        },
        dead_letters: DeadLetters {
            letters: MemoryLetters::default(),
            queues: MemoryQueues::default(),
            upcasts: Upcasting::new(MemoryRegistry::default(), clock.clone()),
            clock: clock.clone(),
        },
        jobs: Jobs {
            store: MemoryJobs::default(),
            queue: MemoryJobQueue::default(),
            clock: clock.clone(),
        },
        deliveries: Deliveries {
            receipts: MemoryReceipts::default(),
            rows: MemoryTroubledDeliveries::default(),
        },
        statistics: Statistics {
            receipts: MemoryReceipts::default(),
            rollups: MemoryRollups::default(),
        },
        vault: Vault {
            seals: MemorySeals::default(),
            archive: MemoryArchive::default(),
        },
        switch: MemorySwitch(Mutex::new(SwitchState::Enabled)),
        schedules: MemorySchedules::new(clock.clone()),
        examiner: examiner(&clock),
        queue_prefix: "pillarbox-sub-".to_owned(),
        random,
    }
}

/// A request: its route, who sends it, and what is in it.
pub(crate) struct Call<'a> {
    pub(crate) route: &'a str,
    /// With `admin` among them, the caller is the bus; else the tenant `demo`.
    pub(crate) scopes: &'a str,
    /// Path parameters.
    pub(crate) path: Value,
    pub(crate) query: &'a str,
    pub(crate) body: Value,
}

impl<'a> Call<'a> {
    /// A call with nothing but a body.
    pub(crate) fn of(route: &'a str, scopes: &'a str, body: Value) -> Self {
        Self {
            route,
            scopes,
            path: json!({ "tenant": "demo" }),
            query: "",
            body,
        }
    }
}

pub(crate) async fn answer(ops: &TestOps, call: Call<'_>) -> (i64, Value) {
    let owner = match call.scopes.contains("admin") {
        true => "_bus",
        false => "demo",
    };
    answer_to(ops, owner, call).await
}

/// The answer to this caller.
pub(crate) async fn answer_to(ops: &TestOps, owner: &str, call: Call<'_>) -> (i64, Value) {
    let request = json!({
        "routeKey": call.route,
        "headers": {},
        "rawQueryString": call.query,
        "pathParameters": call.path,
        "requestContext": {
            "authorizer": { "lambda": { "outcome": "known", "tenant": owner, "scopes": call.scopes } },
            "http": { "method": "POST", "path": "/v1/x" },
        },
        "body": call.body.to_string(),
    });
    let request: Request = serde_json::from_value(request).unwrap();
    let response = ops.handle(&request).await;
    let body = response.body.as_deref();
    let body = body.map(|body| serde_json::from_slice(body).unwrap());
    (response.status_code, body.unwrap_or_default())
}
