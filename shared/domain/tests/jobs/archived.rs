//! Hours that are read from the archive, beside those of the log.

use std::collections::BTreeMap;

use pillarbox_domain::archive::{
    ArchiveWriter, ArchivedObject, Manifest, layout, line, sha256_hex,
};
use pillarbox_domain::job::{ChangeJob, Job, JobState, JobStore, ReplayFilter, Target};
use pillarbox_domain::log_hour::{IdRange, LogHour};
use pillarbox_domain::{Clock, EventId, LoggedEvent};
use pillarbox_testkit::MemoryJobBus;
use pillarbox_testkit::builders::subscription;
use serde_json::json;

use crate::support::{HOUR, SECOND, bus, change, counts, deliveries, demo, ids, types};

fn zstd_of(lines: &[String]) -> Vec<u8> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    zstd::bulk::compress(text.as_bytes(), 3).unwrap()
}

/// Puts an hour into the archive, as objects of these lines, in one revision.
async fn archive(bus: &MemoryJobBus, hour: LogHour, objects: &[Vec<LoggedEvent>]) -> Manifest {
    let (mut archived, mut types) = (vec![], BTreeMap::new());
    for (part, events) in (0..).zip(objects) {
        for event in events {
            *types
                .entry(event.event.event_type().to_owned())
                .or_default() += 1;
        }
        let lines: Vec<String> = events.iter().map(line::write).collect();
        archived.push(put(bus, hour, part, &lines, &ids(events)).await);
    }
    let manifest = Manifest {
        format: 1,
        tenant: "demo".to_owned(),
        hour: layout::hour_text(hour),
        revision: 0,
        events: archived.iter().map(|object| object.lines).sum(),
        bytes: archived.iter().map(|object| object.bytes).sum(),
        types,
        objects: archived,
        receipts: vec![],
        unreadable: vec![],
    };
    store(bus, hour, &manifest).await;
    manifest
}

async fn store(bus: &MemoryJobBus, hour: LogHour, manifest: &Manifest) {
    let key = layout::manifest(&demo(), hour, manifest.revision);
    let bytes = serde_json::to_vec(manifest).unwrap();
    bus.parts.archive.put(&key, &bytes).await.unwrap();
}

async fn put(
    bus: &MemoryJobBus,
    hour: LogHour,
    part: u32,
    lines: &[String],
    ids: &[EventId],
) -> ArchivedObject {
    let key = layout::events(&demo(), hour, 0, part);
    let bytes = zstd_of(lines);
    bus.parts.archive.put(&key, &bytes).await.unwrap();
    ArchivedObject {
        key,
        lines: lines.len().try_into().unwrap(),
        bytes: lines
            .iter()
            .map(|line| line.len() + 1)
            .sum::<usize>()
            .try_into()
            .unwrap(),
        stored_bytes: bytes.len().try_into().unwrap(),
        sha256: sha256_hex(&bytes),
        first_event_id: ids.first().unwrap().to_string(),
        last_event_id: ids.last().unwrap().to_string(),
    }
}

/// Events of an hour so many hours ago, which is marked, and which the log has lost.
async fn old(bus: &MemoryJobBus, hours_ago: u32, count: u32) -> (LogHour, Vec<LoggedEvent>) {
    let hour = LogHour::at(bus.clock.now() - hours_ago * HOUR);
    let start = hour.start();
    let mut events = vec![];
    for number in 0..count {
        let event_type = ["order.created", "price.set"][usize::from(number % 4 == 0)];
        let source = ["/shop", "/other"][usize::from(number % 5 == 0)];
        let members = json!({
            "id": format!("{hours_ago}-{number}"), "type": event_type,
            "source": source,
        });
        events.push(bus.event(&demo(), start + number * SECOND, members));
    }
    mark(bus, hour).await;
    (hour, events)
}

async fn mark(bus: &MemoryJobBus, hour: LogHour) {
    use pillarbox_domain::active_hours::HourMarks;
    bus.parts.marks.mark(&demo(), &[hour].into()).await.unwrap();
}

async fn replay(bus: &MemoryJobBus, filter: ReplayFilter) -> Job {
    bus.job(&demo(), bus.replay(filter, Target::All)).await
}

#[tokio::test]
async fn archived_hours_and_the_log_are_one_job() {
    let bus = MemoryJobBus::new(2, [subscription(&demo(), "orders", &["*"])]);
    let (first, lost) = old(&bus, 300, 1_300).await;
    archive(&bus, first, &[lost[..700].to_vec(), lost[700..].to_vec()]).await;
    // An old hour that nobody has archived is read from the log.
    let (_, unarchived) = old(&bus, 200, 10).await;
    for event in &unarchived {
        bus.log(event).await;
    }
    // One that is archived and not old yet, too.
    let (recent, both) = old(&bus, 30, 10).await;
    for event in &both {
        bus.log(event).await;
    }
    archive(&bus, recent, &[both[..5].to_vec()]).await;
    let now = bus
        .logged(&demo(), bus.clock.now() - SECOND, json!({ "id": "now" }))
        .await;

    let job = replay(&bus, ReplayFilter::default()).await;
    let over = bus.work_off(&job).await;
    assert_eq!(over.plan.total, 1_321);
    assert_eq!(counts(&over), [1_321, 1_321, 0, 0]);
    let mut all = ids(&lost);
    all.extend(ids(&unarchived));
    all.extend(ids(&both));
    all.push(now.event_id);
    let found = deliveries(&bus, "orders");
    assert!(found.values().all(|times| *times == 1));
    assert_eq!(found.into_keys().collect::<Vec<_>>(), all);
    // The sizes of archived ones are known from their manifest.
    assert!(over.plan.sampled >= 1_300, "{:?}", over.plan);
}

#[tokio::test]
async fn a_filter_counts_an_archived_hour_as_it_is_sent() {
    let bus = bus();
    let (hour, events) = old(&bus, 300, 400).await;
    archive(
        &bus,
        hour,
        &[events[..100].to_vec(), events[100..].to_vec()],
    )
    .await;
    let source = ReplayFilter {
        source: Some("/other".to_owned()),
        ..types(&["order.*"])
    };
    // Of 400, every fourth is a price, and every fifth from another source.
    for (filter, total) in [
        (types(&["order.*"]), 300),
        (types(&["price.set"]), 100),
        (source, 60),
    ] {
        let job = replay(&bus, filter).await;
        let over = bus.work_off(&job).await;
        assert_eq!(
            (over.plan.total, counts(&over)),
            (total, [total, total, 0, 0])
        );
        assert!(over.plan.sampled > 0 && over.plan.sampled <= total);
    }
    // A range that begins in the hour.
    let mut spec = bus.replay(ReplayFilter::default(), Target::All);
    let from = hour.start() + 150 * SECOND;
    spec.range = IdRange::of_times(Some(from), Some(bus.clock.now())).unwrap();
    let job = bus.job(&demo(), spec).await;
    assert_eq!(counts(&bus.work_off(&job).await), [250, 250, 0, 0]);
}

#[tokio::test]
async fn what_came_late_to_an_archived_hour_is_sent_although_its_ids_are_lower() {
    let bus = bus();
    let (hour, events) = old(&bus, 300, 900).await;
    let (late, first): (Vec<_>, Vec<_>) = events
        .iter()
        .cloned()
        .enumerate()
        .partition(|(place, _)| place % 9 == 0);
    let plain = |events: Vec<(usize, LoggedEvent)>| events.into_iter().map(|(_, it)| it).collect();
    archive(&bus, hour, &[plain(first), plain(late)]).await;
    let job = replay(&bus, ReplayFilter::default()).await;
    // Each call has time for a page.
    while bus.now(&job).await.state != JobState::Completed {
        bus.work_for(&demo(), job.id, std::time::Duration::ZERO)
            .await
            .unwrap();
        bus.clock.advance(SECOND);
        let run = bus.work_for(&demo(), job.id, SECOND).await.unwrap();
        if let pillarbox_domain::job::Ran::Again { after } = run {
            bus.clock.advance(after);
        }
    }
    let found = deliveries(&bus, "orders");
    assert!(found.values().all(|times| *times == 1));
    assert_eq!(found.into_keys().collect::<Vec<_>>(), ids(&events));
}

#[tokio::test]
async fn a_line_that_is_no_event_fails_itself() {
    let bus = bus();
    let (hour, events) = old(&bus, 300, 3).await;
    let mut lines: Vec<String> = events.iter().map(line::write).collect();
    lines[1] = lines[1].replace("\"specversion\":\"1.0\"", "\"specversion\":\"0.1\"");
    lines.push("{}".to_owned());
    let object = put(&bus, hour, 0, &lines, &ids(&events)).await;
    let manifest = Manifest {
        events: 4,
        objects: vec![object],
        types: BTreeMap::new(),
        ..archive(
            &bus,
            LogHour::at(bus.clock.now() - 400 * HOUR),
            std::slice::from_ref(&events),
        )
        .await
    };
    store(&bus, hour, &manifest).await;
    let job = replay(&bus, ReplayFilter::default()).await;
    let over = bus.work_off(&job).await;
    assert_eq!(
        (over.state, counts(&over)),
        (JobState::Completed, [4, 2, 0, 2])
    );
    let listed = bus
        .parts
        .jobs
        .failures(&demo(), job.id, None, 10)
        .await
        .unwrap();
    // What does not even have an id is counted only.
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].event_id, events[1].event_id);
    assert_eq!(listed[0].error_class, "UnreadableLine");
}

#[tokio::test]
async fn an_object_that_is_not_what_its_manifest_says_pauses_the_job() {
    let bus = bus();
    let (hour, events) = old(&bus, 300, 50).await;
    let manifest = archive(&bus, hour, std::slice::from_ref(&events)).await;
    let key = &manifest.objects[0].key;
    let whole = bus.parts.archive.objects()[key].clone();
    let job = replay(&bus, ReplayFilter::default()).await;
    let resumed = async || {
        change(&bus, &job, ChangeJob::Resume).await;
        bus.work_off(&job).await
    };
    bus.parts.archive.flip(key, whole.len() / 2);
    let paused = bus.work_off(&job).await;
    assert_eq!(paused.state, JobState::Paused);
    let reason = paused.reason.unwrap();
    assert!(
        reason.contains(key.as_str()) && reason.contains("SHA-256"),
        "{reason}"
    );

    bus.parts.archive.delete(key);
    let reason = resumed().await.reason.unwrap();
    assert!(
        reason.contains(key.as_str()) && reason.contains("gone"),
        "{reason}"
    );

    bus.parts.archive.overwrite(key, whole);
    let over = resumed().await;
    assert_eq!(
        (over.state, counts(&over)),
        (JobState::Completed, [50, 50, 0, 0])
    );
}
