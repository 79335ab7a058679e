use serde_json::{Value, json};

use super::*;

fn pointers(old: &Value, new: &Value) -> Vec<String> {
    let told = breaches(old, new).told;
    told.into_iter().map(|breach| breach.pointer).collect()
}

fn order() -> Value {
    json!({
        "type": "object",
        "required": ["id"],
        "additionalProperties": false,
        "properties": {
            "id": { "type": "string", "minLength": 1, "maxLength": 20 },
            "total": { "type": "number", "minimum": 0, "maximum": 1000 },
            "state": { "enum": ["new", "paid"] },
            "lines": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/line" } },
            "at": { "type": "string", "format": "date-time" },
        },
        "$defs": { "line": { "type": "object", "required": ["sku"], "properties": { "sku": { "type": "string" }, "n": { "type": "integer" } } } },
    })
}

fn with(place: &str, value: Value) -> Value {
    let mut changed = order();
    let (parent, last) = place.rsplit_once('/').unwrap();
    changed.pointer_mut(parent).unwrap()[last] = value;
    changed
}

fn without(parent: &str, name: &str) -> Value {
    let mut changed = order();
    changed
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(name)
        .unwrap();
    changed
}

#[test]
fn what_only_allows_more_is_compatible() {
    let wider = [
        order(),
        json!(true),
        json!({}),
        json!({ "type": ["object", "null"] }),
        with("/properties/note", json!({ "type": "string" })),
        with("/properties/total/maximum", json!(2_000)),
        with("/properties/total/minimum", json!(-0.5)),
        with("/properties/total/exclusiveMinimum", json!(-1)),
        with("/properties/id/minLength", json!(0)),
        with("/properties/id/type", json!(["string", "integer"])),
        with("/properties/state/enum", json!(["new", "paid", "sent"])),
        with("/properties/state", json!({ "type": "string" })),
        with("/required", json!([])),
        with("/additionalProperties", json!(true)),
        with("/$defs/line/properties/n", json!({ "type": "number" })),
        with("/$defs/line/required", json!([])),
        with(
            "/properties/lines/items",
            json!({ "allOf": [{ "$ref": "#/$defs/line" }, { "type": "object" }] }),
        ),
        with(
            "/properties/total",
            json!({ "anyOf": [{ "type": "number" }, { "type": "string" }] }),
        ),
        with("/description", json!("changed")),
        with("/properties/at", json!({ "format": "date-time" })),
        without("/properties/at", "format"),
        without("/properties/lines", "items"),
        without("", "additionalProperties"),
    ];
    for new in wider {
        assert_eq!(breaches(&order(), &new), Breaches::default(), "{new}");
    }
}

#[test]
fn what_allows_less_is_told_with_its_place() {
    let cases = [
        (with("/required", json!(["id", "total"])), "#/required"),
        (
            with("/properties/id/type", json!("integer")),
            "#/properties/id/type",
        ),
        (
            with("/properties/total/type", json!("integer")),
            "#/properties/total/type",
        ),
        (
            with("/properties/state/enum", json!(["new"])),
            "#/properties/state/enum",
        ),
        (
            with("/properties/state", json!({ "const": "new" })),
            "#/properties/state/const",
        ),
        (
            with("/properties/total/maximum", json!(999)),
            "#/properties/total/maximum",
        ),
        (
            with("/properties/total/minimum", json!(0.5)),
            "#/properties/total/minimum",
        ),
        (
            with("/properties/total/exclusiveMaximum", json!(1000)),
            "#/properties/total/exclusiveMaximum",
        ),
        (
            with("/properties/total/multipleOf", json!(0.01)),
            "#/properties/total/multipleOf",
        ),
        (
            with("/properties/id/minLength", json!(2)),
            "#/properties/id/minLength",
        ),
        (
            with("/properties/id/maxLength", json!(19)),
            "#/properties/id/maxLength",
        ),
        (
            with("/properties/id/pattern", json!("^a")),
            "#/properties/id/pattern",
        ),
        (
            with("/properties/at/format", json!("date")),
            "#/properties/at/format",
        ),
        (
            with("/properties/lines/minItems", json!(2)),
            "#/properties/lines/minItems",
        ),
        (
            with("/properties/lines/uniqueItems", json!(true)),
            "#/properties/lines/uniqueItems",
        ),
        (
            with("/properties/lines/contains", json!({})),
            "#/properties/lines/contains",
        ),
        (
            with("/$defs/line/required", json!(["sku", "n"])),
            "#/properties/lines/items/required",
        ),
        (
            with("/$defs/line/additionalProperties", json!(false)),
            "#/properties/lines/items/additionalProperties",
        ),
        (
            with("/$defs/line/properties/x", json!({ "type": "string" })),
            "#/properties/lines/items/properties/x",
        ),
        (
            with("/properties/total", json!(false)),
            "#/properties/total",
        ),
        (without("/properties", "total"), "#/additionalProperties"),
        (with("/minProperties", json!(2)), "#/minProperties"),
        (with("/not", json!({ "required": ["x"] })), "#/not"),
        (
            with("/oneOf", json!([{}, { "required": ["x"] }])),
            "#/oneOf",
        ),
        (with("/if", json!({ "required": ["total"] })), "#/if"),
        (
            with("/propertyNames", json!({ "maxLength": 3 })),
            "#/propertyNames",
        ),
        (
            with("/dependentRequired", json!({ "total": ["state"] })),
            "#/dependentRequired/total",
        ),
        (
            with("/unevaluatedProperties", json!(false)),
            "#/unevaluatedProperties",
        ),
        (
            with("/allOf", json!([{ "required": ["state"] }])),
            "#/required",
        ),
        (json!(false), "#"),
        (
            with(
                "/properties/lines/prefixItems",
                json!([{ "type": "string" }]),
            ),
            "#/properties/lines/prefixItems/0/type",
        ),
        (
            with("/patternProperties", json!({ "^x": { "type": "string" } })),
            "#/patternProperties/^x",
        ),
    ];
    for (new, pointer) in cases {
        let found = pointers(&order(), &new);
        assert!(found.iter().any(|it| it == pointer), "{pointer}: {found:?}");
    }
}

#[test]
fn a_property_that_was_not_forbidden_could_be_anything() {
    let open = json!({ "type": "object", "properties": { "id": { "type": "string" } } });
    let mut new = open.clone();
    new["properties"]["note"] = json!({ "type": "string" });
    let found = breaches(&open, &new);
    assert_eq!(found.told[0].pointer, "#/properties/note");
    assert!(
        found.told[0].detail.contains("could be anything before"),
        "{found:?}"
    );
    new["properties"]["note"] = json!({});
    assert_eq!(breaches(&open, &new), Breaches::default());
}

#[test]
fn a_reference_counts_for_what_it_means() {
    let old = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "string" } } });
    let moved = json!({ "$ref": "#/$defs/b", "$defs": { "b": { "type": "string" } } });
    assert_eq!(breaches(&old, &moved), Breaches::default());
    let narrowed =
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "string", "maxLength": 3 } } });
    assert_eq!(pointers(&old, &narrowed), ["#/maxLength"]);
    let not = |schema: Value| json!({ "not": { "$ref": "#/$defs/a" }, "$defs": { "a": schema } });
    assert_eq!(
        breaches(
            &not(json!({ "type": "null" })),
            &not(json!({ "type": "null" }))
        ),
        Breaches::default()
    );
    assert_eq!(
        pointers(&not(json!({ "type": "null" })), &not(json!({}))),
        ["#/not"]
    );
}

#[test]
fn schemas_that_refer_to_themselves_are_compared_to_their_end() {
    let tree = |limit: u32| {
        json!({ "$ref": "#/$defs/n", "$defs": { "n": {
        "type": "object", "properties": { "v": { "maximum": limit }, "next": { "$ref": "#/$defs/n" } },
    } } })
    };
    assert_eq!(breaches(&tree(5), &tree(6)), Breaches::default());
    let found = pointers(&tree(6), &tree(5));
    assert!(
        found.contains(&"#/properties/v/maximum".to_owned()),
        "{found:?}"
    );
}

#[test]
fn alternatives_are_compared_one_by_one() {
    let any = |alternatives: Value| json!({ "anyOf": alternatives });
    let both = any(json!([{ "type": "string" }, { "type": "integer" }]));
    for wider in [
        json!({ "type": ["string", "integer"] }),
        any(json!([{ "type": "number" }, { "type": "string" }, { "type": "null" }])),
    ] {
        assert_eq!(breaches(&both, &wider), Breaches::default(), "{wider}");
    }
    assert!(!pointers(&both, &json!({ "type": "string" })).is_empty());
    assert_eq!(
        pointers(&both, &any(json!([{ "type": "string" }]))),
        ["#/anyOf"]
    );
    let one = json!({ "oneOf": [{ "type": "string" }, { "type": "integer" }] });
    assert_eq!(breaches(&one, &one), Breaches::default());
    assert_eq!(breaches(&one, &both), Breaches::default());
}

#[test]
fn breaches_are_limited_in_number() {
    let named = |limit: u32| {
        let properties: Map<String, Value> = (0..50)
            .map(|n| (n.to_string(), json!({ "maximum": limit })))
            .collect();
        json!({ "properties": properties })
    };
    let found = breaches(&named(5), &named(4));
    assert_eq!((found.told.len(), found.more), (MAX_BREACHES, 30));
}

#[test]
fn a_change_that_is_too_large_to_be_judged_is_told_as_one() {
    let deep = |levels: usize| {
        let schema = (0..levels).fold(
            json!({ "type": "string" }),
            |inner, _| json!({ "items": inner }),
        );
        breaches(&schema, &schema).told
    };
    assert!(deep(MAX_DEPTH - 1).is_empty());
    assert!(deep(MAX_DEPTH)[0].detail.contains("too large to be judged"));
    let mut ladder = json!({ "$ref": "#/$defs/0", "$defs": {} });
    for n in 0..40 {
        let next = json!({ "$ref": format!("#/$defs/{}", n + 1) });
        ladder["$defs"][n.to_string()] = json!({ "properties": { "a": next, "b": next } });
    }
    assert!(
        breaches(&ladder, &ladder).told[0]
            .detail
            .contains("too large to be judged")
    );
}
