//! Schedules in memory, which call nobody, and what every store of them has to do.

use std::collections::BTreeMap;
use std::sync::Mutex;

use pillarbox_domain::schedule::{
    KeptSchedule, Schedule, ScheduleError, ScheduleName, Scheduled, Schedules, request,
};
use pillarbox_domain::subscription::request::FieldFault;
use pillarbox_domain::{Clock, StoreError, TenantId};
use serde_json::{Value, json};

use crate::ManualClock;
use crate::builders::tenant;

/// Schedules in memory.
#[derive(Default)]
pub struct MemorySchedules {
    clock: ManualClock,
    kept: Mutex<BTreeMap<(TenantId, ScheduleName), KeptSchedule>>,
    refused: Mutex<Option<FieldFault>>,
}

impl MemorySchedules {
    /// Schedules that are made when this clock says.
    pub fn new(clock: ManualClock) -> Self {
        Self {
            clock,
            ..Self::default()
        }
    }

    /// Takes no schedule any more, for this.
    pub fn refuse(&self, fault: FieldFault) {
        *self.refused.lock().unwrap() = Some(fault);
    }
}

impl Schedules for MemorySchedules {
    async fn add(
        &self,
        tenant: &TenantId,
        schedule: &Schedule,
        max: usize,
    ) -> Result<Scheduled, ScheduleError> {
        if let Some(fault) = self.refused.lock().unwrap().clone() {
            return Err(ScheduleError::Refused(fault));
        }
        let mut kept = self.kept.lock().unwrap();
        let key = (tenant.clone(), schedule.name.clone());
        if let Some(there) = kept.get(&key).cloned() {
            return Ok(match there.schedule == *schedule {
                true => Scheduled::Unchanged(there),
                false => Scheduled::Differs(there),
            });
        }
        if kept.keys().filter(|(owner, _)| owner == tenant).count() >= max {
            return Ok(Scheduled::TooMany);
        }
        let made = KeptSchedule {
            schedule: schedule.clone(),
            is_enabled: true,
            created_at: self.clock.now(),
        };
        kept.insert(key, made.clone());
        Ok(Scheduled::New(made))
    }

    async fn get(
        &self,
        tenant: &TenantId,
        name: &ScheduleName,
    ) -> Result<Option<KeptSchedule>, StoreError> {
        let key = (tenant.clone(), name.clone());
        Ok(self.kept.lock().unwrap().get(&key).cloned())
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<KeptSchedule>, StoreError> {
        let kept = self.kept.lock().unwrap();
        let owned = kept.iter().filter(|((owner, _), _)| owner == tenant);
        Ok(owned.map(|(_, schedule)| schedule.clone()).collect())
    }

    async fn remove(&self, tenant: &TenantId, name: &ScheduleName) -> Result<bool, StoreError> {
        let key = (tenant.clone(), name.clone());
        Ok(self.kept.lock().unwrap().remove(&key).is_some())
    }
}

/// A schedule of this name that replays the day before each night, with these members over it.
pub fn schedule(name: &str, members: Value) -> Schedule {
    let mut wanted = json!({
        "name": name,
        "expression": "cron(0 3 * * ? *)",
        "replay": { "filter": { "range": "yesterday" }, "target": { "all": true } },
    });
    for (member, value) in members.as_object().unwrap() {
        wanted[member] = value.clone();
    }
    let (schedule, _) = request::read(&wanted, "", ManualClock::default().now()).unwrap();
    schedule
}

const MAX: usize = 5;

/// The suite of [`Schedules`], on an empty store.
pub async fn conformance<S: Schedules>(store: &S) {
    a_schedule_comes_back_whole(store).await;
    a_name_is_taken_once(store).await;
    a_schedule_is_its_tenants_alone(store).await;
    all_are_listed_by_their_names(store).await;
    there_is_room_for_so_many(store).await;
    what_is_removed_is_gone(store).await;
}

async fn made<S: Schedules>(store: &S, owner: &TenantId, wanted: &Schedule) -> KeptSchedule {
    match store.add(owner, wanted, MAX).await.unwrap() {
        Scheduled::New(kept) => kept,
        other => panic!("{other:?}"),
    }
}

async fn a_schedule_comes_back_whole<S: Schedules>(store: &S) {
    let owner = tenant("whole");
    let redrive = json!({
        "filter": { "types": ["order.*"], "text": "<aws.scheduler.scheduled-time>\"\\ä" },
        "max_events_per_second": 12.0,
    });
    let wanted = [
        schedule("replay", json!({})),
        schedule("redrive", json!({ "replay": null, "redrive": redrive })),
        schedule(
            "zone",
            json!({ "timezone": "Europe/Vienna", "expression": "rate(5 minutes)" }),
        ),
    ];
    for wanted in wanted {
        let kept = made(store, &owner, &wanted).await;
        assert_eq!((&kept.schedule, kept.is_enabled), (&wanted, true));
        let found = store.get(&owner, &wanted.name).await.unwrap();
        assert_eq!(found, Some(kept));
    }
}

async fn a_name_is_taken_once<S: Schedules>(store: &S) {
    let owner = tenant("taken");
    let wanted = schedule("nightly", json!({}));
    let first = made(store, &owner, &wanted).await;
    let again = store.add(&owner, &wanted, MAX).await.unwrap();
    assert_eq!(again, Scheduled::Unchanged(first.clone()));
    let others = [
        json!({ "expression": "cron(0 4 * * ? *)" }),
        json!({ "timezone": "Europe/Vienna" }),
        json!({ "replay": { "filter": { "range": "last 1d" }, "target": { "all": true } } }),
        json!({ "replay": null, "redrive": { "filter": { "range": "yesterday" } } }),
    ];
    for members in others {
        let other = schedule("nightly", members);
        let answer = store.add(&owner, &other, MAX).await.unwrap();
        assert_eq!(answer, Scheduled::Differs(first.clone()));
    }
    let found = store.get(&owner, &wanted.name).await.unwrap();
    assert_eq!(found, Some(first));
}

/// Tenants of which one's id is the beginning of the other's, also where ids are long.
async fn a_schedule_is_its_tenants_alone<S: Schedules>(store: &S) {
    let long = "long-".repeat(12);
    for (one, other) in [
        ("alone", "alone-2"),
        ("alone-b", "alone"),
        (&long[..59], &long[..58]),
    ] {
        let (one, other) = (tenant(one), tenant(other));
        let wanted = schedule("mine", json!({}));
        store.remove(&one, &wanted.name).await.unwrap();
        let kept = made(store, &one, &wanted).await;
        store.remove(&other, &wanted.name).await.unwrap();
        assert_eq!(store.get(&other, &wanted.name).await.unwrap(), None);
        assert_eq!(store.list(&other).await.unwrap(), []);
        assert_eq!(store.list(&one).await.unwrap(), [kept]);
    }
}

async fn all_are_listed_by_their_names<S: Schedules>(store: &S) {
    let owner = tenant("listed");
    assert_eq!(store.list(&owner).await.unwrap(), []);
    for name in ["c", "a-2", "e", "b", "a"] {
        made(store, &owner, &schedule(name, json!({}))).await;
    }
    let listed = store.list(&owner).await.unwrap();
    let names = listed.iter().map(|kept| kept.schedule.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["a", "a-2", "b", "c", "e"]);
}

async fn there_is_room_for_so_many<S: Schedules>(store: &S) {
    let owner = tenant("many");
    let wanted: Vec<_> = (0..=MAX)
        .map(|n| schedule(&format!("s-{n}"), json!({})))
        .collect();
    for wanted in &wanted[..MAX] {
        made(store, &owner, wanted).await;
    }
    let beyond = store.add(&owner, &wanted[MAX], MAX).await.unwrap();
    assert_eq!(beyond, Scheduled::TooMany);
    let again = store.add(&owner, &wanted[0], MAX).await.unwrap();
    assert!(matches!(again, Scheduled::Unchanged(_)), "{again:?}");
    assert!(store.remove(&owner, &wanted[0].name).await.unwrap());
    made(store, &owner, &wanted[MAX]).await;
}

async fn what_is_removed_is_gone<S: Schedules>(store: &S) {
    let owner = tenant("removed");
    let wanted = schedule("nightly", json!({}));
    assert!(!store.remove(&owner, &wanted.name).await.unwrap());
    made(store, &owner, &wanted).await;
    assert!(!store.remove(&tenant("remove"), &wanted.name).await.unwrap());
    assert!(store.remove(&owner, &wanted.name).await.unwrap());
    assert!(!store.remove(&owner, &wanted.name).await.unwrap());
    assert_eq!(store.get(&owner, &wanted.name).await.unwrap(), None);
    made(
        store,
        &owner,
        &schedule("nightly", json!({ "expression": "rate(1 day)" })),
    )
    .await;
}
