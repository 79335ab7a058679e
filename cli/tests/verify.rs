//! `pillarbox verify` and `pillarbox archive`, the binary itself, against a real HTTP server and folders.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests that fails is a test that fails"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use pillarbox_domain::TenantId;
use pillarbox_domain::archive::{ArchivedObject, Manifest, layout, sha256_hex};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::seal::{Seal, SealLink, SealedManifest};
use serde::Serialize;
use serde_json::json;
use support::*;
use time::macros::utc_datetime;

const ID: &str = "01a207a4-78eb-71a1-b142-3d3bf61d7f76";

/// An hour of a page: its name, events, pending ones, and whether it is sealed.
fn hour(of_day: u8, logged: u64, pending: u64, is_sealed: bool) -> serde_json::Value {
    json!({
        "hour": format!("2026-11-22T{of_day:02}:00:00Z"), "logged": logged, "logged_only": 1,
        "receipted": logged - 1 - pending, "in_trouble": 0, "pending": pending,
        "sealed": is_sealed, "archived": is_sealed.then_some(logged),
    })
}

fn page(hours: &[serde_json::Value], findings: &[serde_json::Value], next: Option<&str>) -> Reply {
    let head = json!({ "key": "seals/dt=2026-11-22/hh=03/0000.json", "sha256": "8e" });
    let page = json!({
        "from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z", "hours": hours, "totals": {},
        "findings": findings, "sealed_before": "2026-11-22T04:00:00Z", "head": head,
        "next_cursor": next,
    });
    answer(200, &page.to_string())
}

fn missing(hour: &str, ids: usize, count: u64) -> serde_json::Value {
    json!({
        "kind": "missing_receipt", "hour": hour, "object": null, "event_count": count,
        "message": "to be handed over long ago, and no receipt tells that they were",
        "event_ids": vec![ID; ids],
    })
}

#[tokio::test]
async fn hours_that_are_fine_stand_together_and_a_clean_log_ends_with_0() {
    let bus = Bus::with_script([
        page(
            &[
                hour(0, 5, 0, true),
                hour(1, 7, 0, true),
                hour(3, 2, 0, true),
            ],
            &[],
            Some("AbC"),
        ),
        // The hour that the first page began goes on.
        page(
            &[
                hour(3, 4, 0, true),
                hour(20, 9, 2, false),
                hour(21, 3, 0, false),
            ],
            &[],
            None,
        ),
    ])
    .await;
    let arguments = [
        "verify",
        "--from",
        "2026-11-22T00:00:00Z",
        "--to",
        "2026-11-23T00:00:00Z",
    ];
    let ran = run(pillarbox_on(&bus, &arguments), b"").await;
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    insta::assert_snapshot!(ran.stdout, @r#"
     from                  hours  logged  only  receipted  trouble  pending  sealed  archived
     2026-11-22T00:00:00Z  3      18      4     14         0        0        yes     14
     2026-11-22T20:00:00Z  1      9       1     6          0        2        no      -
     2026-11-22T21:00:00Z  1      3       1     2          0        0        no      -

    2026-11-22T00:00:00Z to 2026-11-23T00:00:00Z
    30 logged = 6 only logged + 22 receipted + 2 pending; 0 in trouble
    every hour before 2026-11-22T04:00:00Z is sealed

    nothing is wrong
    "#);
    let paths: Vec<String> = bus.requests().into_iter().map(|it| it.path).collect();
    let first =
        "/base/$default/v1/integrity?from=2026-11-22T00%3A00%3A00Z&to=2026-11-23T00%3A00%3A00Z";
    assert_eq!(paths, [first.to_owned(), format!("{first}&cursor=AbC")]);
}

#[tokio::test]
async fn each_finding_is_told_with_its_events_and_ends_with_1() {
    let gone = json!({
        "kind": "object_missing", "hour": "2026-11-22T01:00:00Z", "message": "it is gone",
        "event_ids": [], "event_count": null,
        "object": "events/tenant=demo/dt=2026-11-22/hh=01/0000-00000.jsonl.zst",
    });
    let script = [
        page(
            &[
                hour(0, 5, 0, true),
                hour(1, 7, 0, true),
                hour(2, 7, 0, true),
            ],
            &[gone, missing("2026-11-22T20:00:00Z", 2, 2)],
            Some("AbC"),
        ),
        page(
            &[hour(20, 900, 150, false)],
            &[missing("2026-11-22T20:00:00Z", 1, 148)],
            None,
        ),
    ];
    let bus = Bus::with_script(script.clone()).await;
    let ran = run(pillarbox_on(&bus, &["verify", "--last", "24h"]), b"").await;
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.stdout, @r#"
     from                  hours  logged  only  receipted  trouble  pending  sealed  archived
     2026-11-22T00:00:00Z  1      5       1     4          0        0        yes     5
     2026-11-22T01:00:00Z  1      7       1     6          0        0        yes     7
     2026-11-22T02:00:00Z  1      7       1     6          0        0        yes     7
     2026-11-22T20:00:00Z  1      900     1     749        0        150      no      -

    2026-11-22T00:00:00Z to 2026-11-23T00:00:00Z
    919 logged = 4 only logged + 765 receipted + 150 pending; 0 in trouble
    every hour before 2026-11-22T04:00:00Z is sealed

    object_missing  2026-11-22T01:00:00Z
      it is gone
      events/tenant=demo/dt=2026-11-22/hh=01/0000-00000.jsonl.zst

    missing_receipt  2026-11-22T20:00:00Z
      150 events: to be handed over long ago, and no receipt tells that they were
        01a207a4-78eb-71a1-b142-3d3bf61d7f76
        01a207a4-78eb-71a1-b142-3d3bf61d7f76
        01a207a4-78eb-71a1-b142-3d3bf61d7f76
        and 147 more
    "#);
    insta::assert_snapshot!(ran.stderr, @"error: 2 findings: docs/integrity.md says what each means and what to do");

    let bus = Bus::with_script(script).await;
    let ran = run(pillarbox_on(&bus, &["verify", "--json"]), b"").await;
    assert_eq!(ran.code, 1);
    let told = ran.json();
    assert_eq!(told["hours"].as_array().unwrap().len(), 4);
    assert_eq!(told["totals"]["logged"], 919);
    assert_eq!(told["findings"][1]["event_count"], 150);
    assert_eq!(told["head"]["sha256"], "8e");
}

#[tokio::test]
async fn what_could_not_be_verified_ends_with_neither_0_nor_1() {
    let refused = problem(403, r#"{"title":"Forbidden"}"#);
    let bus = Bus::with_script([page(&[], &[], Some("AbC")), refused]).await;
    let ran = run(pillarbox_on(&bus, &["verify"]), b"").await;
    assert_eq!((ran.code, &*ran.stdout), (3, ""));
    assert!(ran.stderr.contains("Forbidden"), "{}", ran.stderr);
    for arguments in [
        vec!["verify", "--last", "1w"],
        vec!["verify", "--last", "1h", "--from", "2026-11-22T00:00:00Z"],
        vec!["verify", "--archive", "x", "--last", "1h"],
        vec!["verify", "--archive", "/there/is/no/such/folder"],
    ] {
        let ran = run(pillarbox_on(&bus, &arguments), b"").await;
        assert_eq!((ran.code, &*ran.stdout), (2, ""), "{arguments:?}");
    }
    // Without an address nothing is tried.
    assert_eq!(run(pillarbox(&["verify"]), b"").await.code, 2);
}

#[tokio::test]
async fn a_busy_bus_is_asked_again() {
    let bus = Bus::with_script([busy(), page(&[hour(0, 5, 0, true)], &[], None)]).await;
    let ran = run(pillarbox_on(&bus, &["verify"]), b"").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let requests = bus.requests();
    assert_eq!(
        requests[0].path, requests[1].path,
        "the range stays what it is"
    );
}

/// A copy of an archive, removed in the end.
struct Copy(PathBuf);

impl Copy {
    /// An hour of one tenant with two events, sealed.
    fn new(name: &str) -> Self {
        let name = format!("pillarbox-verify-{name}-{}", std::process::id());
        let copy = Self(std::env::temp_dir().join(name));
        let tenant: TenantId = "demo".parse().unwrap();
        let hour = LogHour::at(utc_datetime!(2026-11-22 8:00));
        let named = copy.manifest(&tenant, hour);
        let seal = Seal {
            format: 1,
            hour: layout::hour_text(hour),
            revision: 0,
            sealed_at: "2026-11-23T10:00:00Z".to_owned(),
            previous: None,
            events: 2,
            manifests: vec![named],
        };
        copy.put(layout::seal(hour, 0), &seal);
        copy
    }

    fn manifest(&self, tenant: &TenantId, hour: LogHour) -> SealedManifest {
        let ids = [
            "01a20249-7be0-7000-8000-000000000001",
            "01a20249-7be0-7000-8000-000000000002",
        ];
        let line = |id: &&str| format!("{{\"type\":\"order.created\",\"pbeventid\":\"{id}\"}}\n");
        let lines: String = ids.iter().map(line).collect();
        let stored = zstd::bulk::compress(lines.as_bytes(), 3).unwrap();
        let object = ArchivedObject {
            key: layout::events(tenant, hour, 0, 0),
            lines: 2,
            bytes: lines.len() as u64,
            stored_bytes: stored.len() as u64,
            sha256: sha256_hex(&stored),
            first_event_id: ids[0].to_owned(),
            last_event_id: ids[1].to_owned(),
        };
        self.write(&object.key, &stored);
        let manifest = Manifest {
            format: 1,
            tenant: tenant.to_string(),
            hour: layout::hour_text(hour),
            revision: 0,
            events: 2,
            bytes: object.bytes,
            types: [("order.created".to_owned(), 2)].into(),
            objects: vec![object],
            receipts: vec![],
            unreadable: vec![],
        };
        let SealLink { key, sha256 } = self.put(layout::manifest(tenant, hour, 0), &manifest);
        SealedManifest {
            tenant: tenant.to_string(),
            key,
            sha256,
            events: 2,
        }
    }

    fn put<T: Serialize>(&self, key: String, document: &T) -> SealLink {
        let bytes = serde_json::to_vec_pretty(document).unwrap();
        self.write(&key, &bytes);
        let sha256 = sha256_hex(&bytes);
        SealLink { key, sha256 }
    }

    fn path(&self, key: &str) -> PathBuf {
        key.split('/')
            .fold(self.0.clone(), |path, name| path.join(name))
    }

    fn write(&self, key: &str, bytes: &[u8]) {
        let path = self.path(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// What was printed, but for what a compressor decides.
    fn printed(&self, ran: &Ran) -> String {
        let bytes = |key| fs::read(self.path(key)).unwrap();
        let seal = bytes("seals/dt=2026-11-22/hh=08/0000.json");
        let stored = bytes("events/tenant=demo/dt=2026-11-22/hh=08/0000-00000.jsonl.zst").len();
        let printed = ran.stdout.replace(&sha256_hex(&seal), "[its hash]");
        printed.replace(&format!("{stored} bytes"), "[so many] bytes")
    }

    async fn verified(&self, more: &[&str]) -> Ran {
        let folder = Path::to_str(&self.0).unwrap();
        let arguments = [&["verify", "--archive", folder], more].concat();
        run(pillarbox(&arguments), b"").await
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[tokio::test]
async fn a_copy_is_verified_without_a_bus() {
    let copy = Copy::new("whole");
    let ran = copy.verified(&[]).await;
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    insta::assert_snapshot!(copy.printed(&ran), @r#"
    1 seal, 1 manifest, 1 object with 2 events in [so many] bytes

    the chain ends with seals/dt=2026-11-22/hh=08/0000.json
      SHA-256 [its hash]
      nothing was cut off it if that was the `head` of `pillarbox verify --json` when the copy was made

    nothing is wrong
    "#);
    let told = copy.verified(&["--json"]).await.json();
    assert_eq!((&told["seals"], &told["events"]), (&json!(1), &json!(2)));
    assert_eq!(told["findings"], json!([]));
}

#[tokio::test]
async fn a_byte_that_was_flipped_in_a_copy_and_a_file_too_many_are_told() {
    let copy = Copy::new("flipped");
    let key = "events/tenant=demo/dt=2026-11-22/hh=08/0000-00000.jsonl.zst";
    let mut bytes = fs::read(copy.path(key)).unwrap();
    bytes[9] ^= 1;
    copy.write(key, &bytes);
    copy.write("README", b"what is this");
    let ran = copy.verified(&[]).await;
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(copy.printed(&ran), @r#"
    1 seal, 1 manifest, 1 object with 0 events in [so many] bytes

    the chain ends with seals/dt=2026-11-22/hh=08/0000.json
      SHA-256 [its hash]
      nothing was cut off it if that was the `head` of `pillarbox verify --json` when the copy was made

    not verified
      files that are no part of an archive: 1

    object_altered  2026-11-22T08:00:00Z
      it is not what was stored: its size or its SHA-256 differs
      events/tenant=demo/dt=2026-11-22/hh=08/0000-00000.jsonl.zst
    "#);
    assert!(
        ran.stderr
            .starts_with("error: 1 finding: docs/integrity.md"),
        "{}",
        ran.stderr
    );
    let told = copy.verified(&["--json"]).await;
    assert_eq!(told.code, 1);
    assert_eq!(told.json()["findings"][0]["object"], key);
}

#[tokio::test]
async fn a_folder_without_an_archive_is_not_taken_for_a_clean_one() {
    let copy =
        Copy(std::env::temp_dir().join(format!("pillarbox-verify-no-{}", std::process::id())));
    copy.write("notes/README", b"nothing");
    let ran = copy.verified(&[]).await;
    assert_eq!((ran.code, &*ran.stdout), (2, ""));
    assert!(
        ran.stderr.contains("nothing of an archive"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn archived_hours_are_listed() {
    let body = json!({
        "hours": [{
            "hour": "2026-11-22T08:00:00Z", "events": 1204, "bytes": 361_200, "stored_bytes": 48_213,
            "objects": [{ "key": "events/x", "lines": 1204, "bytes": 361_200, "stored_bytes": 48_213,
                          "sha256": "8e" }],
            "revision": 0,
        }],
        "next_cursor": "AbC",
    });
    let bus = Bus::with_script([answer(200, &body.to_string())]).await;
    let arguments = [
        "archive",
        "ls",
        "--from",
        "2026-11-22T00:00:00Z",
        "--limit",
        "1",
    ];
    let ran = run(pillarbox_on(&bus, &arguments), b"").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    insta::assert_snapshot!(ran.stdout, @r#"
    hour                  events  bytes   stored  objects  revision
    2026-11-22T08:00:00Z  1204    361200  48213   1        0
    "#);
    assert_eq!(ran.stderr, "1 hour; more with --all, or --cursor AbC\n");
    assert_eq!(
        bus.requests()[0].path,
        "/base/$default/v1/archive?from=2026-11-22T00%3A00%3A00Z&limit=1"
    );
}
