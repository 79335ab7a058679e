//! The suite of where jobs are kept.

use std::time::Duration;

use futures::future::join_all;
use pillarbox_domain::Clock;
use pillarbox_domain::job::{
    ChangeJob, Changed, Counts, Created, FailedEvent, Holder, IdleJobs, Job, JobId, JobSpec,
    JobState, JobStore, KEPT, LEASE, MAX_NEW_UNITS, Plan, ReplayFilter, Saved, Target, Unit,
    UnitPart, Work,
};
use pillarbox_domain::letters::{LetterFilter, StateName};
use pillarbox_domain::log_hour::{IdRange, LogHour, Position};
use pillarbox_domain::log_shard::LogShards;

use crate::ManualClock;
use crate::builders::tenant;

const SECOND: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(600);
const MANY: usize = 1_000;

/// The suite of [`JobStore`] and [`IdleJobs`], on an empty one.
pub async fn jobs<J: JobStore + IdleJobs>(store: &J, clock: &ManualClock) {
    a_job_is_kept_whole(store, clock).await;
    a_tenant_has_only_so_many_jobs_that_are_not_over(store, clock).await;
    of_concurrent_jobs_no_more_are_kept_than_may_be(store, clock).await;
    jobs_are_listed_page_by_page_the_latest_first(store, clock).await;
    a_step_is_made_once_and_refused_where_it_may_not_be(store, clock).await;
    what_is_over_is_kept_for_a_while(store, clock).await;
    a_plan_grows_by_one_planner_at_a_time(store, clock).await;
    a_unit_comes_back_as_it_was_planned_and_saved(store, clock).await;
    no_two_workers_hold_one_unit(store, clock).await;
    a_hold_that_ran_out_is_taken_over_and_its_holder_saves_nothing(store, clock).await;
    a_unit_that_is_given_back_can_be_claimed_at_once(store, clock).await;
    a_unit_is_counted_once(store, clock).await;
    of_a_job_that_does_not_run_nothing_can_be_claimed(store, clock).await;
    many_units_are_handed_out_in_order(store, clock).await;
    failures_are_listed_once_in_the_order_of_their_events(store, clock).await;
    turns_follow_one_another(store, clock).await;
    jobs_of_which_nothing_was_written_are_found(store, clock).await;
    nothing_is_another_tenant_s(store, clock).await;
}

fn spec() -> JobSpec {
    JobSpec {
        work: Work::Replay {
            filter: ReplayFilter::default(),
            target: Target::All,
        },
        range: IdRange::ALL,
        max_events_per_second: None,
        ramp: None,
        dry_run: false,
        schedule: None,
    }
}

fn job(clock: &ManualClock, owner: &str, spec: JobSpec) -> Job {
    let id = JobId::new(clock.next_id());
    Job::asked_for(tenant(owner), id, spec, clock.now())
}

async fn created<J: JobStore>(store: &J, clock: &ManualClock, owner: &str) -> Job {
    let job = job(clock, owner, spec());
    let created = store.create(&job, MANY).await.unwrap();
    assert_eq!(created, Created::New);
    job
}

/// Plans so many units of ten events.
async fn planned<J: JobStore>(store: &J, job: &mut Job, units: u32) {
    let step = u32::try_from(MAX_NEW_UNITS).unwrap();
    let hour = LogHour::at(job.created_at).ids();
    for first in (0..units).step_by(MAX_NEW_UNITS) {
        let end = units.min(first + step);
        // What is left begins later with each step.
        let pieces = hour.pieces(units);
        let rest = pieces.get(usize::try_from(end).unwrap()).copied();
        let plan = Plan {
            rest,
            is_whole: rest.is_none(),
            units: end,
            total: u64::from(end) * 10,
            ..job.plan.clone()
        };
        let units: Vec<Unit> = (first..end).map(|number| unit(job, number)).collect();
        let (tenant, id) = (&job.tenant, job.id);
        let written = store.extend_plan(tenant, id, &job.plan, &units, &plan);
        assert!(written.await.unwrap());
        job.plan = plan;
    }
}

fn unit(job: &Job, number: u32) -> Unit {
    let hour = LogHour::at(job.created_at);
    Unit {
        number,
        part: UnitPart::Hour(hour, LogShards::default().iter().next().unwrap()),
        total: 10,
        cursor: None,
        done: Counts::default(),
    }
}

/// A job that runs, with so many units of ten events.
async fn running<J: JobStore>(store: &J, clock: &ManualClock, owner: &str, units: u32) -> Job {
    let mut job = created(store, clock, owner).await;
    planned(store, &mut job, units).await;
    let job = done(change(store, clock, &job, ChangeJob::Planned).await);
    assert_eq!(job.state, JobState::Running);
    job
}

async fn change<J: JobStore>(
    store: &J,
    clock: &ManualClock,
    job: &Job,
    change: ChangeJob,
) -> Changed {
    let changed = store.change(&job.tenant, job.id, &change, clock.now());
    changed.await.unwrap()
}

fn done(changed: Changed) -> Job {
    match changed {
        Changed::Done(job) => *job,
        other => panic!("not done: {other:?}"),
    }
}

async fn get<J: JobStore>(store: &J, job: &Job) -> Job {
    store.get(&job.tenant, job.id).await.unwrap().unwrap()
}

async fn claim<J: JobStore>(
    store: &J,
    clock: &ManualClock,
    job: &Job,
    holder: Holder,
) -> Option<Unit> {
    let claimed = store.claim(&job.tenant, job.id, holder, clock.now());
    claimed.await.unwrap()
}

fn counts(events: u64) -> Counts {
    Counts {
        events,
        sent: events * 2,
        skipped: 1,
        failed: 2,
        bytes: events * 1_000,
    }
}

/// The unit after some of its events.
fn advanced(clock: &ManualClock, unit: &Unit, events: u64) -> Unit {
    Unit {
        cursor: Some(Position::of(clock.next_id())),
        done: counts(events),
        ..unit.clone()
    }
}

async fn a_job_is_kept_whole<J: JobStore>(store: &J, clock: &ManualClock) {
    let id = clock.next_id();
    let event_time = clock.now() - 90 * SECOND;
    let replay = |filter, target| Work::Replay { filter, target };
    let filter = ReplayFilter {
        types: vec!["order.*".parse().unwrap(), "price.set".parse().unwrap()],
        source: Some("/shop#1 \u{1F600}".to_owned()),
        correlation_id: Some("c-1".to_owned()),
    };
    let letters = LetterFilter {
        types: vec!["order.*".parse().unwrap()],
        subscription: Some("connector".parse().unwrap()),
        error_class: Some("Timeout".to_owned()),
        text: Some("no \"answer\"".to_owned()),
        event_id: Some(id),
        from: Some(event_time),
        to: Some(clock.now()),
        state: Some(StateName::Open),
    };
    let queue = "https://sqs.test/1/other".parse().unwrap();
    let works = [
        replay(filter, Target::Subscription("_audit".parse().unwrap())),
        replay(ReplayFilter::default(), Target::Queue(queue)),
        replay(ReplayFilter::default(), Target::All),
        Work::Redrive { filter: letters },
        Work::Redrive {
            filter: LetterFilter::default(),
        },
    ];
    for (number, work) in works.into_iter().enumerate() {
        let whole = number % 2 == 0;
        let spec = JobSpec {
            work,
            range: IdRange::of_times(Some(event_time), Some(clock.now())).unwrap(),
            max_events_per_second: whole.then_some(500),
            ramp: whole.then_some(60 * SECOND),
            dry_run: whole,
            schedule: whole.then(|| "nightly".to_owned()),
        };
        let job = job(clock, "whole", spec);
        assert_eq!(store.create(&job, MANY).await.unwrap(), Created::New);
        assert_eq!(get(store, &job).await, job);
        let again = store.create(&job, MANY).await.unwrap();
        assert_eq!(again, Created::Exists(Box::new(job)));
    }
}

async fn a_tenant_has_only_so_many_jobs_that_are_not_over<J: JobStore>(
    store: &J,
    clock: &ManualClock,
) {
    let first = created(store, clock, "many").await;
    created(store, clock, "many").await;
    let third = job(clock, "many", spec());
    assert_eq!(store.create(&third, 2).await.unwrap(), Created::TooMany);
    assert_eq!(store.get(&third.tenant, third.id).await.unwrap(), None);
    // One that is there is told of, however many there are; and other tenants have their own.
    let there = store.create(&first, 2).await.unwrap();
    assert_eq!(there, Created::Exists(Box::new(first.clone())));
    created(store, clock, "many-other").await;
    // A paused one is not over.
    done(change(store, clock, &first, ChangeJob::Pause(None)).await);
    assert_eq!(store.create(&third, 2).await.unwrap(), Created::TooMany);
    done(change(store, clock, &first, ChangeJob::Cancel).await);
    assert_eq!(store.create(&third, 2).await.unwrap(), Created::New);
}

async fn of_concurrent_jobs_no_more_are_kept_than_may_be<J: JobStore>(
    store: &J,
    clock: &ManualClock,
) {
    let wanted: Vec<Job> = (0..5).map(|_| job(clock, "racing", spec())).collect();
    let creates = wanted.iter().map(|job| store.create(job, 3));
    let created = join_all(creates).await;
    let new = created
        .iter()
        .filter(|created| matches!(created, Ok(Created::New)));
    // One that came between two others may have to be asked for again.
    assert!((1..=3).contains(&new.count()), "{created:?}");
    for job in &wanted {
        store.create(job, 3).await.unwrap();
    }
    let page = store.list(&tenant("racing"), None, 10).await.unwrap();
    assert_eq!(page.jobs.len(), 3);
}

async fn jobs_are_listed_page_by_page_the_latest_first<J: JobStore>(
    store: &J,
    clock: &ManualClock,
) {
    let mut jobs = vec![];
    for _ in 0..5 {
        jobs.insert(0, created(store, clock, "listed").await);
        clock.advance(SECOND);
    }
    created(store, clock, "listed-other").await;
    let owner = tenant("listed");
    let (mut found, mut after) = (vec![], None);
    loop {
        let page = store.list(&owner, after, 2).await.unwrap();
        assert!(page.jobs.len() <= 2);
        found.extend(page.jobs);
        after = page.rest_after;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, jobs);
    let none = store.list(&tenant("listed-nobody"), None, 2).await.unwrap();
    assert_eq!((none.jobs, none.rest_after), (vec![], None));
}

async fn a_step_is_made_once_and_refused_where_it_may_not_be<J: JobStore>(
    store: &J,
    clock: &ManualClock,
) {
    let mut job = created(store, clock, "steps").await;
    for refused in [ChangeJob::Planned, ChangeJob::Complete] {
        let changed = change(store, clock, &job, refused).await;
        assert_eq!(changed, Changed::Refused(Box::new(job.clone())));
    }
    planned(store, &mut job, 1).await;
    let reason = Some("the queue is gone".to_owned());
    let steps = [
        (ChangeJob::Pause(None), JobState::Paused, None),
        (ChangeJob::Resume, JobState::Running, None),
        (ChangeJob::Pause(reason.clone()), JobState::Paused, reason),
        (ChangeJob::Resume, JobState::Running, None),
        (ChangeJob::Cancel, JobState::Cancelled, None),
    ];
    for (step, state, reason) in steps {
        let changed = done(change(store, clock, &job, step.clone()).await);
        assert_eq!((changed.state, &changed.reason), (state, &reason));
        assert_eq!(get(store, &job).await, changed);
        // The same again is done, though nothing is written.
        clock.advance(SECOND);
        assert_eq!(done(change(store, clock, &job, step).await), changed);
    }
    let over = get(store, &job).await;
    for refused in [
        ChangeJob::Resume,
        ChangeJob::Pause(None),
        ChangeJob::Planned,
    ] {
        let changed = change(store, clock, &job, refused).await;
        assert_eq!(changed, Changed::Refused(Box::new(over.clone())));
    }
    let nobody = JobId::new(clock.next_id());
    let missing = store.change(&job.tenant, nobody, &ChangeJob::Cancel, clock.now());
    assert_eq!(missing.await.unwrap(), Changed::Missing);
}

async fn what_is_over_is_kept_for_a_while<J: JobStore>(store: &J, clock: &ManualClock) {
    let cancelled = created(store, clock, "over").await;
    let cancelled = done(change(store, clock, &cancelled, ChangeJob::Cancel).await);
    let mut empty = created(store, clock, "over").await;
    let whole = Plan {
        rest: None,
        is_whole: true,
        ..empty.plan.clone()
    };
    let (owner, id) = (&empty.tenant, empty.id);
    let written = store.extend_plan(owner, id, &empty.plan, &[], &whole).await;
    assert!(written.unwrap());
    empty.plan = whole;
    let completed = done(change(store, clock, &empty, ChangeJob::Planned).await);
    let mut counted = JobSpec {
        dry_run: true,
        ..spec()
    };
    counted.max_events_per_second = Some(1);
    let mut counted = job(clock, "over", counted);
    store.create(&counted, MANY).await.unwrap();
    planned(store, &mut counted, 2).await;
    let counted = done(change(store, clock, &counted, ChangeJob::Planned).await);
    for (job, state) in [
        (cancelled, JobState::Cancelled),
        (completed, JobState::Completed),
        (counted, JobState::Counted),
    ] {
        assert_eq!(job.state, state);
        assert_eq!(job.finished_at, Some(clock.now()));
        let kept = job.expires_at.unwrap() - clock.now();
        assert!((KEPT - SECOND..=KEPT).contains(&kept), "{kept}");
        assert_eq!(get(store, &job).await, job);
    }
}

async fn a_plan_grows_by_one_planner_at_a_time<J: JobStore>(store: &J, clock: &ManualClock) {
    let job = created(store, clock, "planned").await;
    let (owner, id, seen) = (&job.tenant, job.id, &job.plan);
    let pieces = job.spec.range.pieces(3);
    let plan = |units: u32, rest: Option<IdRange>| Plan {
        rest,
        is_whole: rest.is_none(),
        units,
        units_done: 0,
        total: u64::from(units) * 10,
        sampled_bytes: 1_234,
        sampled: 3,
    };
    let first = plan(2, Some(pieces[1]));
    let units = [unit(&job, 0), unit(&job, 1)];
    let other = [Unit {
        total: 99,
        ..unit(&job, 0)
    }];
    assert!(
        store
            .extend_plan(owner, id, seen, &units, &first)
            .await
            .unwrap()
    );
    // Whoever planned meanwhile has changed nothing: not a unit, and not the plan.
    let late = plan(1, Some(pieces[2]));
    assert!(
        !store
            .extend_plan(owner, id, seen, &other, &late)
            .await
            .unwrap()
    );
    assert_eq!(get(store, &job).await.plan, first);
    let second = plan(2, None);
    assert!(
        store
            .extend_plan(owner, id, &first, &[], &second)
            .await
            .unwrap()
    );
    assert_eq!(get(store, &job).await.plan, second);
    let nobody = JobId::new(clock.next_id());
    assert!(
        !store
            .extend_plan(owner, nobody, seen, &units, &first)
            .await
            .unwrap()
    );
    done(change(store, clock, &job, ChangeJob::Planned).await);
    let holder = Holder(clock.next_id());
    for unit in units {
        assert_eq!(claim(store, clock, &job, holder).await, Some(unit));
    }
    assert_eq!(claim(store, clock, &job, holder).await, None);
}

async fn a_unit_comes_back_as_it_was_planned_and_saved<J: JobStore>(
    store: &J,
    clock: &ManualClock,
) {
    let job = created(store, clock, "parts").await;
    let (hour, shards) = (LogHour::at(clock.now()), LogShards::new(64).unwrap());
    let range = IdRange::one(clock.next_id());
    let parts = [
        UnitPart::Hour(hour, shards.iter().last().unwrap()),
        UnitPart::Correlation(IdRange::ALL),
        UnitPart::Archived(hour),
        UnitPart::Letters(range),
    ];
    let units: Vec<Unit> = (0..)
        .zip(parts)
        .map(|(number, part)| Unit {
            part,
            ..unit(&job, number)
        })
        .collect();
    let whole = Plan {
        is_whole: true,
        units: 4,
        total: 40,
        ..Plan::default()
    };
    let (owner, id) = (&job.tenant, job.id);
    assert!(
        store
            .extend_plan(owner, id, &job.plan, &units, &whole)
            .await
            .unwrap()
    );
    done(change(store, clock, &job, ChangeJob::Planned).await);
    let holder = Holder(clock.next_id());
    for planned in &units {
        let claimed = claim(store, clock, &job, holder).await.unwrap();
        assert_eq!(claimed, *planned);
        let saved = advanced(clock, &claimed, 3);
        assert_eq!(
            store.release(owner, id, &saved, holder).await.unwrap(),
            Saved::Yes
        );
        let other = Holder(clock.next_id());
        let there = match planned.number {
            3 => claim(store, clock, &job, other).await,
            _ => continue,
        };
        // All were handed out once, so the first that was given back is next.
        assert_eq!(there.map(|unit| unit.done), Some(counts(3)));
    }
}

async fn no_two_workers_hold_one_unit<J: JobStore>(store: &J, clock: &ManualClock) {
    let job = running(store, clock, "held", 6).await;
    let holders: Vec<Holder> = (0..10).map(|_| Holder(clock.next_id())).collect();
    let claims = holders
        .iter()
        .map(|holder| claim(store, clock, &job, *holder));
    let mut numbers: Vec<u32> = join_all(claims)
        .await
        .into_iter()
        .flatten()
        .map(|unit| unit.number)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    assert_eq!(claim(store, clock, &job, holders[0]).await, None);
    let now = get(store, &job).await;
    assert_eq!(now.started_at, Some(clock.now()));
}

async fn a_hold_that_ran_out_is_taken_over_and_its_holder_saves_nothing<J: JobStore>(
    store: &J,
    clock: &ManualClock,
) {
    let job = running(store, clock, "taken-over", 1).await;
    let (owner, id) = (&job.tenant, job.id);
    let (dead, heir) = (Holder(clock.next_id()), Holder(clock.next_id()));
    let claimed = claim(store, clock, &job, dead).await.unwrap();
    clock.advance(20 * SECOND);
    let saved = advanced(clock, &claimed, 3);
    let save = store.save(owner, id, &saved, dead, clock.now()).await;
    assert_eq!(save.unwrap(), Saved::Yes);
    // The hold began anew.
    clock.advance(LEASE - SECOND);
    assert_eq!(claim(store, clock, &job, heir).await, None);
    clock.advance(2 * SECOND);
    assert_eq!(claim(store, clock, &job, heir).await, Some(saved.clone()));

    let late = advanced(clock, &saved, 6);
    let now = clock.now();
    assert_eq!(
        store.save(owner, id, &late, dead, now).await.unwrap(),
        Saved::Lost
    );
    assert_eq!(
        store.release(owner, id, &late, dead).await.unwrap(),
        Saved::Lost
    );
    let finished = store.finish_unit(owner, id, &late, dead, now).await;
    assert_eq!(finished.unwrap(), Saved::Lost);
    let there = get(store, &job).await;
    assert_eq!((there.done, there.plan.units_done), (counts(3), 0));
    // A hold that ran out and that nobody has taken is still its holder's.
    clock.advance(2 * LEASE);
    let save = store.save(owner, id, &late, heir, clock.now()).await;
    assert_eq!(save.unwrap(), Saved::Yes);
}

async fn a_unit_that_is_given_back_can_be_claimed_at_once<J: JobStore>(
    store: &J,
    clock: &ManualClock,
) {
    let job = running(store, clock, "given-back", 1).await;
    let (owner, id) = (&job.tenant, job.id);
    let (first, second) = (Holder(clock.next_id()), Holder(clock.next_id()));
    let claimed = claim(store, clock, &job, first).await.unwrap();
    let given = advanced(clock, &claimed, 4);
    assert_eq!(
        store.release(owner, id, &given, first).await.unwrap(),
        Saved::Yes
    );
    let late = store.save(owner, id, &claimed, first, clock.now()).await;
    assert_eq!(late.unwrap(), Saved::Lost);
    assert_eq!(claim(store, clock, &job, second).await, Some(given));
}

async fn a_unit_is_counted_once<J: JobStore>(store: &J, clock: &ManualClock) {
    let job = running(store, clock, "counted", 3).await;
    let (owner, id) = (&job.tenant, job.id);
    let holder = Holder(clock.next_id());
    let first = claim(store, clock, &job, holder).await.unwrap();
    let second = claim(store, clock, &job, holder).await.unwrap();
    let (first, second) = (advanced(clock, &first, 10), advanced(clock, &second, 5));
    let now = clock.now();
    assert_eq!(
        store.save(owner, id, &second, holder, now).await.unwrap(),
        Saved::Yes
    );
    let finished = store.finish_unit(owner, id, &first, holder, now).await;
    assert_eq!(finished.unwrap(), Saved::Yes);
    let there = get(store, &job).await;
    let expected = counts(10).plus(counts(5));
    assert_eq!((there.done, there.plan.units_done), (expected, 1));
    // What is done is nobody's any more.
    assert_eq!(
        store.save(owner, id, &first, holder, now).await.unwrap(),
        Saved::Lost
    );
    assert_eq!(
        store.release(owner, id, &first, holder).await.unwrap(),
        Saved::Lost
    );
    assert_eq!(get(store, &job).await, there);

    let third = claim(store, clock, &job, holder).await.unwrap();
    let (second, third) = (advanced(clock, &second, 10), advanced(clock, &third, 10));
    let ends = [&second, &third].map(|unit| store.finish_unit(owner, id, unit, holder, now));
    for end in join_all(ends).await {
        assert_eq!(end.unwrap(), Saved::Yes);
    }
    let all = counts(10).plus(counts(10)).plus(counts(10));
    let completed = done(change(store, clock, &job, ChangeJob::Complete).await);
    assert_eq!((completed.done, completed.plan.units_done), (all, 3));
    assert_eq!(completed.state, JobState::Completed);
}

async fn of_a_job_that_does_not_run_nothing_can_be_claimed<J: JobStore>(
    store: &J,
    clock: &ManualClock,
) {
    let mut job = created(store, clock, "still").await;
    planned(store, &mut job, 2).await;
    let holder = Holder(clock.next_id());
    assert_eq!(claim(store, clock, &job, holder).await, None);
    done(change(store, clock, &job, ChangeJob::Planned).await);
    let claimed = claim(store, clock, &job, holder).await.unwrap();
    done(change(store, clock, &job, ChangeJob::Pause(None)).await);
    assert_eq!(claim(store, clock, &job, holder).await, None);
    // Whoever holds a unit may still write down how far it is.
    let saved = advanced(clock, &claimed, 7);
    let save = store.release(&job.tenant, job.id, &saved, holder).await;
    assert_eq!(save.unwrap(), Saved::Yes);
    assert_eq!(get(store, &job).await.done, counts(7));
    done(change(store, clock, &job, ChangeJob::Cancel).await);
    assert_eq!(claim(store, clock, &job, holder).await, None);
    assert_eq!(get(store, &job).await.done, counts(7));
}

async fn many_units_are_handed_out_in_order<J: JobStore>(store: &J, clock: &ManualClock) {
    const UNITS: u32 = 230;
    let job = running(store, clock, "many-units", UNITS).await;
    let holder = Holder(clock.next_id());
    for number in 0..UNITS {
        let claimed = claim(store, clock, &job, holder).await.unwrap();
        assert_eq!(claimed, unit(&job, number));
        let finished = advanced(clock, &claimed, 1);
        // The first two die with their worker.
        if number > 1 {
            let now = clock.now();
            let finished = store.finish_unit(&job.tenant, job.id, &finished, holder, now);
            assert_eq!(finished.await.unwrap(), Saved::Yes);
        }
    }
    clock.advance(LEASE + SECOND);
    for _ in 0..2 {
        let claimed = claim(store, clock, &job, holder).await.unwrap();
        assert!(claimed.number < 2, "{claimed:?}");
    }
    assert_eq!(claim(store, clock, &job, holder).await, None);
}

async fn failures_are_listed_once_in_the_order_of_their_events<J: JobStore>(
    store: &J,
    clock: &ManualClock,
) {
    let job = created(store, clock, "failed").await;
    let other = created(store, clock, "failed").await;
    let events: Vec<_> = (0..4).map(|_| clock.next_id()).collect();
    let failure = |event: usize, subscription: Option<&str>| FailedEvent {
        event_id: events[event],
        subscription: subscription.map(|id| id.parse().unwrap()),
        error_class: "UpcastFailed".to_owned(),
        error_message: format!("event {event} \u{1F600}"),
    };
    let expected = [
        failure(0, None),
        failure(1, Some("a")),
        failure(1, Some("b")),
        failure(3, Some("_audit")),
    ];
    for place in [3, 1, 0, 2, 1] {
        let listed = store
            .add_failure(&job.tenant, job.id, &expected[place])
            .await;
        listed.unwrap();
    }
    let foreign = failure(2, None);
    store
        .add_failure(&other.tenant, other.id, &foreign)
        .await
        .unwrap();
    let failures = async |after, limit| {
        let found = store.failures(&job.tenant, job.id, after, limit).await;
        found.unwrap()
    };
    assert_eq!(failures(None, 10).await, expected);
    assert_eq!(failures(None, 2).await, expected[..2]);
    let after = Position::of(events[0]);
    assert_eq!(failures(Some(after), 10).await, expected[1..]);
    let after = Position::of(events[1]);
    assert_eq!(failures(Some(after), 10).await, expected[3..]);
    assert_eq!(failures(Some(Position::of(events[3])), 10).await, []);
}

async fn turns_follow_one_another<J: JobStore>(store: &J, clock: &ManualClock) {
    let job = running(store, clock, "turns", 1).await;
    let turn = async |events, now| {
        let taken = store
            .take_turn(&job.tenant, job.id, events, 10.0, now)
            .await;
        taken.unwrap()
    };
    let now = clock.now();
    assert_eq!(turn(5, now).await, Duration::ZERO);
    assert_eq!(turn(10, now).await, Duration::from_millis(500));
    let turns = [turn(10, now), turn(10, now), turn(10, now)];
    let mut waits: Vec<Duration> = join_all(turns).await;
    waits.sort();
    let expected = [1_500, 2_500, 3_500].map(Duration::from_millis);
    assert_eq!(waits, expected, "each begins where another ends");
    // What is not taken does not add up, and each job has its own.
    assert_eq!(turn(10, now + 60 * SECOND).await, Duration::ZERO);
    assert_eq!(turn(10, now + 60 * SECOND).await, SECOND);
    let other = running(store, clock, "turns", 1).await;
    let wait = store
        .take_turn(&other.tenant, other.id, 10, 10.0, now)
        .await;
    assert_eq!(wait.unwrap(), Duration::ZERO);
}

async fn jobs_of_which_nothing_was_written_are_found<J: JobStore + IdleJobs>(
    store: &J,
    clock: &ManualClock,
) {
    let owner = tenant("idle");
    let idle = async |limit| {
        let found = store.take_idle(clock.now(), IDLE, limit).await.unwrap();
        assert!(found.len() <= limit);
        // Other tests left jobs behind.
        let of_owner = found.into_iter().filter(|(tenant, _)| *tenant == owner);
        of_owner.map(|(_, id)| id).collect::<Vec<JobId>>()
    };
    let planning = created(store, clock, "idle").await;
    let worked_on = running(store, clock, "idle", 2).await;
    let paused = created(store, clock, "idle").await;
    done(change(store, clock, &paused, ChangeJob::Pause(None)).await);
    let over = created(store, clock, "idle").await;
    done(change(store, clock, &over, ChangeJob::Cancel).await);
    assert_eq!(idle(MANY).await, []);
    clock.advance(IDLE + SECOND);
    at_rest(store, clock, &[planning.id, worked_on.id]).await;
    let mut found = idle(1).await;
    found.extend(idle(MANY).await);
    found.sort();
    assert_eq!(found, [planning.id, worked_on.id]);
    // They count as written now.
    assert_eq!(idle(MANY).await, []);
    at_rest(store, clock, &[]).await;

    // A unit that is held is worked on, however long nothing else is written.
    clock.advance(IDLE + SECOND);
    let holder = Holder(clock.next_id());
    let claimed = claim(store, clock, &worked_on, holder).await.unwrap();
    let mut since = Duration::ZERO;
    while since <= IDLE {
        clock.advance(LEASE - SECOND);
        since += LEASE - SECOND;
        let (owner, id, now) = (&worked_on.tenant, worked_on.id, clock.now());
        let saved = store.save(owner, id, &claimed, holder, now).await;
        assert_eq!(saved.unwrap(), Saved::Yes);
    }
    at_rest(store, clock, &[planning.id]).await;
    assert_eq!(idle(MANY).await, [planning.id]);
    clock.advance(IDLE + LEASE);
    assert!(
        idle(MANY).await.contains(&worked_on.id),
        "its worker is gone"
    );
}

/// These jobs of the tenant are at rest, and stay so when they are looked at.
async fn at_rest<J: IdleJobs>(store: &J, clock: &ManualClock, expected: &[JobId]) {
    for _ in 0..2 {
        let found = store.idle(clock.now(), IDLE, MANY).await.unwrap();
        let of_owner = found.iter().filter(|(owner, _)| *owner == tenant("idle"));
        let mut ids: Vec<JobId> = of_owner.map(|(_, id)| *id).collect();
        ids.sort();
        assert_eq!(ids, expected);
    }
}

async fn nothing_is_another_tenant_s<J: JobStore>(store: &J, clock: &ManualClock) {
    let job = running(store, clock, "own", 1).await;
    let (stranger, id, now) = (tenant("own-other"), job.id, clock.now());
    let holder = Holder(clock.next_id());
    assert_eq!(store.get(&stranger, id).await.unwrap(), None);
    for step in [
        ChangeJob::Cancel,
        ChangeJob::Pause(None),
        ChangeJob::Complete,
    ] {
        let changed = store.change(&stranger, id, &step, now).await;
        assert_eq!(changed.unwrap(), Changed::Missing);
    }
    assert_eq!(store.claim(&stranger, id, holder, now).await.unwrap(), None);
    let claimed = claim(store, clock, &job, holder).await.unwrap();
    let saved = advanced(clock, &claimed, 9);
    let lost = [
        store.save(&stranger, id, &saved, holder, now).await,
        store.release(&stranger, id, &saved, holder).await,
        store.finish_unit(&stranger, id, &saved, holder, now).await,
    ];
    for lost in lost {
        assert_eq!(lost.unwrap(), Saved::Lost);
    }
    let whole = Plan {
        is_whole: true,
        ..Plan::default()
    };
    let seen = &job.plan;
    let written = store.extend_plan(&stranger, id, seen, &[], &whole).await;
    assert!(!written.unwrap());
    assert_eq!(store.failures(&stranger, id, None, 10).await.unwrap(), []);
    let there = get(store, &job).await;
    assert_eq!(
        (there.done, there.state),
        (Counts::default(), JobState::Running)
    );
}
