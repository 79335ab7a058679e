//! What is in objects, and where they are cut.

use pillarbox_domain::archive::ObjectLimits;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::{World, as_archived, hour};

#[tokio::test]
async fn objects_are_cut_by_lines_and_by_bytes() {
    let by_lines = ObjectLimits {
        bytes: 1_000_000,
        lines: 4,
    };
    let by_bytes = ObjectLimits {
        bytes: 500,
        lines: 1_000,
    };
    let tiny = ObjectLimits { bytes: 1, lines: 1 };
    for limits in [by_lines, by_bytes, tiny] {
        let world = World::with(limits);
        let events = world.dispatched("shop", 0, 10).await;
        world.pass().await;
        let manifest = world.manifest("shop", hour(0)).unwrap();
        assert!(manifest.objects.len() > 2);
        assert_eq!(manifest.objects.len(), manifest.receipts.len());
        for (events, receipts) in manifest.objects.iter().zip(&manifest.receipts) {
            for object in [events, receipts] {
                assert!(object.lines <= limits.lines as u64);
                assert!(object.bytes <= limits.bytes as u64 || object.lines == 1);
            }
            assert_eq!(events.first_event_id, receipts.first_event_id);
            assert_eq!(events.last_event_id, receipts.last_event_id);
        }
        assert_eq!(world.archived("shop", hour(0)), as_archived(&events));
        assert_eq!(world.receipts("shop", hour(0)).len(), 10);
        world.assert_all_is_named();
    }
}

#[tokio::test]
async fn the_same_log_is_the_same_archive() {
    let mut archives = Vec::new();
    for _ in 0..2 {
        let world = World::default();
        world.dispatched("shop", 0, 30).await;
        world.dispatched("depot", 0, 5).await;
        world.pass().await;
        archives.push(world.archive.objects());
    }
    assert_eq!(archives[0], archives[1]);
}

fn data() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "[\\n\\r\\t\"\\\\]{0,5}".prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|map| Value::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn what_is_archived_is_what_was_logged(
        data in prop::collection::vec((data(), 0_i64..60, any::<bool>()), 1..20),
        lines in 1_usize..8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let limits = ObjectLimits { bytes: 10_000, lines };
        let world = World::with(limits);
        runtime.block_on(async {
            let mut events = Vec::new();
            for (n, (data, minutes, is_binary)) in data.into_iter().enumerate() {
                let mut members = json!({ "id": n.to_string(), "subject": "\u{1F600}", "data": data });
                if is_binary {
                    members = json!({ "id": n.to_string(), "data_base64": "AAEC/w==" });
                }
                events.push(world.log(world.event_at("shop", minutes, members)).await);
            }
            world.bus.dispatch(&events).await;
            world.pass().await;
            assert_eq!(world.archived("shop", hour(0)), as_archived(&events));
        });
    }
}
