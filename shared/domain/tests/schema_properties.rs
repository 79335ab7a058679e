//! What has to hold for schemas and upcasters of any shape.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use pillarbox_domain::schema::compatibility::breaches;
use pillarbox_domain::schema::{CompiledSchema, Upcaster};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// JSON with few names and values, so that schemas and data often meet.
fn data() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..4_i64).prop_map(Value::from),
        Just(json!(0.5)),
        "[ab]{0,3}".prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map("[xyz]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Keywords that are compared, each with small values.
fn schema() -> impl Strategy<Value = Value> {
    let types = [
        "null", "boolean", "integer", "number", "string", "array", "object",
    ];
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!(true)),
        Just(json!(false)),
        proptest::sample::select(types.to_vec()).prop_map(|name| json!({ "type": name })),
        proptest::sample::subsequence(types.to_vec(), 1..4)
            .prop_map(|names| json!({ "type": names })),
        (-2..3_i64).prop_map(|n| json!({ "minimum": n })),
        (-2..3_i64).prop_map(|n| json!({ "maximum": n })),
        (-2..3_i64).prop_map(|n| json!({ "exclusiveMaximum": n })),
        (1..4_u64).prop_map(|n| json!({ "multipleOf": n })),
        (0..3_u64).prop_map(|n| json!({ "minLength": n })),
        (0..3_u64).prop_map(|n| json!({ "maxLength": n })),
        (0..3_u64).prop_map(|n| json!({ "minItems": n })),
        (0..3_u64).prop_map(|n| json!({ "maxProperties": n })),
        any::<bool>().prop_map(|unique| json!({ "uniqueItems": unique })),
        Just(json!({ "pattern": "^a" })),
        vec(data(), 1..4).prop_map(|values| json!({ "enum": values })),
        data().prop_map(|value| json!({ "const": value })),
        vec("[xyz]", 0..3).prop_map(|names| {
            let names: std::collections::BTreeSet<String> = names.into_iter().collect();
            json!({ "required": names })
        }),
        "[xyz]".prop_map(|name| json!({ "dependentRequired": { "x": [name] } })),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| beside(a, b)),
            vec(inner.clone(), 1..3).prop_map(|all| json!({ "allOf": all })),
            vec(inner.clone(), 1..3).prop_map(|any| json!({ "anyOf": any })),
            vec(inner.clone(), 1..3).prop_map(|one| json!({ "oneOf": one })),
            inner.clone().prop_map(|not| json!({ "not": not })),
            inner.clone().prop_map(|items| json!({ "items": items })),
            vec(inner.clone(), 1..3).prop_map(|items| json!({ "prefixItems": items })),
            inner
                .clone()
                .prop_map(|rest| json!({ "additionalProperties": rest })),
            inner
                .clone()
                .prop_map(|matched| json!({ "patternProperties": { "^x": matched } })),
            inner
                .clone()
                .prop_map(|contains| json!({ "contains": contains })),
            btree_map("[xyz]", inner.clone(), 1..3)
                .prop_map(|named| json!({ "properties": named })),
            inner.prop_map(|named| json!({ "$ref": "#/$defs/a", "$defs": { "a": named } })),
        ]
    })
}

/// Keywords of both in one schema; a reference is kept to the place that it means.
fn beside(a: Value, b: Value) -> Value {
    let (Value::Object(a), Value::Object(b)) = (a, b) else {
        return json!({});
    };
    let both: Map<String, Value> = a.into_iter().chain(b).collect();
    Value::Object(both)
}

/// References are meant for the document's own root, so what is nested has to have none.
fn without_references(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members
                .into_iter()
                .filter(|(name, _)| !name.starts_with('$'));
            Value::Object(
                kept.map(|(name, value)| (name, without_references(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.into_iter().map(without_references).collect(),
        scalar => scalar,
    }
}

fn document() -> impl Strategy<Value = Value> {
    schema().prop_map(|schema| match schema.pointer("/$defs/a") {
        Some(meant) => {
            let meant = without_references(meant.clone());
            json!({ "$ref": "#/$defs/a", "$defs": { "a": meant } })
        }
        None => without_references(schema),
    })
}

/// Two versions that often have something in common.
fn versions() -> impl Strategy<Value = (Value, Value)> {
    let parts = [schema(), schema(), schema()].map(|part| part.prop_map(without_references));
    let [a, b, c] = parts;
    (a, b, c, 0..6).prop_map(|(a, b, c, how)| match how {
        0 => (beside(a.clone(), b), a),
        1 => (json!({ "allOf": [a, b] }), b),
        2 => (a.clone(), json!({ "anyOf": [c, a] })),
        3 => (
            json!({ "anyOf": [a.clone(), b.clone()] }),
            json!({ "anyOf": [b, c, a] }),
        ),
        4 => (
            json!({ "properties": { "x": beside(a.clone(), b) }, "additionalProperties": c }),
            json!({ "properties": { "x": a } }),
        ),
        _ => (
            json!({ "$ref": "#/$defs/a", "$defs": { "a": a } }),
            json!({ "$ref": "#/$defs/b", "$defs": { "b": c } }),
        ),
    })
}

proptest! {
    /// No breach is a promise: nothing that was valid is refused.
    #[test]
    fn what_was_valid_is_valid_where_no_breach_is_told(
        (old, new) in versions(), data in vec(data(), 20),
    ) {
        if !breaches(&old, &new).told.is_empty() {
            return Ok(());
        }
        let (old, new) = (CompiledSchema::compile(&old).unwrap(), CompiledSchema::compile(&new).unwrap());
        for data in data {
            if old.violations(&data).is_empty() {
                let found = new.violations(&data);
                prop_assert!(found.is_empty(), "{data}: {found}");
            }
        }
    }

    #[test]
    fn a_schema_is_compatible_with_itself_and_with_one_that_takes_everything(old in document()) {
        prop_assert_eq!(breaches(&old, &json!(true)).told, vec![]);
        prop_assert_eq!(breaches(&json!(false), &old).told, vec![]);
    }

    #[test]
    fn an_upcaster_that_changes_nothing_changes_nothing(data in data()) {
        let text = data.to_string();
        for filter in [".", "[.] | .[0]", "{a: .} | .a", "tojson | fromjson", "if . == . then . else error end"] {
            let made = Upcaster::compile(filter).unwrap().run(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&made).unwrap(), data.clone(), "{}", filter);
        }
    }

    #[test]
    fn no_text_is_more_than_refused(text in "[a-z.|\\[\\](){}\"\\\\$:;,+*/<>=0-9 \n#?-]{0,40}") {
        if let Ok(upcaster) = Upcaster::compile(&text) {
            // Whatever it does, it ends.
            drop(upcaster.run(r#"{"a":[1,{"b":null}]}"#));
        }
    }
}
