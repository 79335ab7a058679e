//! The evaluator as its documentation reads, with no thought for time: every choice of alternatives is written out,
//! the event is spread into its values, and every choice of values is tried.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

/// A value of the event: the names on the way to it, and which element it is in of each array on that way.
struct Leaf {
    path: Vec<String>,
    elements: Elements,
    value: Value,
}

/// Which element, by array; an array is known by its place in the event.
type Elements = BTreeMap<String, usize>;

/// A field that is asked for, and its tests.
type Asked = (Vec<String>, Vec<Value>);

/// Whether the event meets the pattern; `None` when the pattern asks for the same twice and must be refused.
pub fn is_met(pattern: &str, event: &str) -> Option<bool> {
    let combinations = combinations(&serde_json::from_str(pattern).unwrap(), &[]);
    if combinations.iter().any(|fields| asks_twice(fields)) {
        return None;
    }
    let mut leaves = Vec::new();
    spread(
        &serde_json::from_str(event).unwrap(),
        &[],
        "",
        &Elements::new(),
        &mut leaves,
    );
    let is_met = |fields: &Vec<Asked>| try_values(fields, &leaves, &Elements::new(), &[]);
    Some(combinations.iter().any(is_met))
}

fn asks_twice(fields: &[Asked]) -> bool {
    let paths = || fields.iter().map(|(path, _)| path).enumerate();
    paths().any(|(place, path)| {
        paths().any(|(other, longer)| place != other && longer.starts_with(path))
    })
}

fn combinations(pattern: &Value, path: &[String]) -> Vec<Vec<Asked>> {
    let mut all = vec![vec![]];
    for (name, value) in pattern.as_object().unwrap() {
        let below = [path, std::slice::from_ref(name)].concat();
        let ways = match value {
            Value::Array(alternatives) if name == "$or" => {
                let alternatives = alternatives.iter();
                alternatives
                    .flat_map(|alternative| combinations(alternative, path))
                    .collect()
            }
            Value::Array(tests) => vec![vec![(below, tests.clone())]],
            inner => combinations(inner, &below),
        };
        let pairs = all.iter().flat_map(|before: &Vec<Asked>| {
            ways.iter().map(move |way| [&before[..], &way[..]].concat())
        });
        all = pairs.collect();
    }
    all
}

fn spread(
    value: &Value,
    path: &[String],
    place: &str,
    elements: &Elements,
    leaves: &mut Vec<Leaf>,
) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let below = [path, std::slice::from_ref(name)].concat();
                spread(value, &below, &format!("{place}/{name}"), elements, leaves);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                let mut elements = elements.clone();
                elements.insert(place.to_owned(), number);
                spread(item, path, &format!("{place}/{number}"), &elements, leaves);
            }
        }
        value => leaves.push(Leaf {
            path: path.to_vec(),
            elements: elements.clone(),
            value: value.clone(),
        }),
    }
}

/// Gives each field in turn every value that meets it, or none if its absence does; in the end, what is to be absent
/// must not be in the elements that were taken.
fn try_values(fields: &[Asked], leaves: &[Leaf], taken: &Elements, absent: &[&[String]]) -> bool {
    let Some(((path, tests), rest)) = fields.split_first() else {
        return !leaves.iter().any(|leaf| {
            absent.contains(&&leaf.path[..]) && together(taken, &leaf.elements).is_some()
        });
    };
    let by_value = leaves
        .iter()
        .filter(|leaf| leaf.path == *path && tests.iter().any(|test| meets(&leaf.value, test)));
    let mut by_value = by_value.filter_map(|leaf| together(taken, &leaf.elements));
    if by_value.any(|taken| try_values(rest, leaves, &taken, absent)) {
        return true;
    }
    tests.contains(&serde_json::json!({ "exists": false }))
        && try_values(rest, leaves, taken, &[absent, &[&path[..]]].concat())
}

/// The elements of both, unless they are different ones of the same array.
fn together(one: &Elements, other: &Elements) -> Option<Elements> {
    let mut all = one.clone();
    for (array, number) in other {
        if *all.entry(array.clone()).or_insert(*number) != *number {
            return None;
        }
    }
    Some(all)
}

fn meets(value: &Value, test: &Value) -> bool {
    match test {
        Value::Object(operator) => {
            let (name, wanted) = operator.iter().next().unwrap();
            meets_operator(value, name, wanted)
        }
        Value::Number(wanted) => value
            .as_number()
            .is_some_and(|number| tenths(number) == tenths(wanted)),
        wanted => value == wanted,
    }
}

fn meets_operator(value: &Value, name: &str, wanted: &Value) -> bool {
    let text = value.as_str();
    match (name, wanted) {
        ("exists", wanted) => wanted == true,
        ("anything-but", Value::Array(all)) => !all.iter().any(|wanted| meets(value, wanted)),
        ("anything-but", Value::Object(operator)) => {
            let (name, wanted) = operator.iter().next().unwrap();
            let all = wanted
                .as_array()
                .cloned()
                .unwrap_or_else(|| vec![wanted.clone()]);
            !all.iter().any(|wanted| meets_operator(value, name, wanted))
        }
        ("anything-but", wanted) => !meets(value, wanted),
        ("prefix", Value::String(start)) => text.is_some_and(|text| text.starts_with(start)),
        ("suffix", Value::String(end)) => text.is_some_and(|text| text.ends_with(end)),
        ("prefix", start) => {
            text.is_some_and(|text| text.to_lowercase().starts_with(&lower(start)))
        }
        ("suffix", end) => text.is_some_and(|text| text.to_lowercase().ends_with(&lower(end))),
        ("equals-ignore-case", _) => {
            text.is_some_and(|text| text.to_lowercase() == wanted.as_str().unwrap().to_lowercase())
        }
        ("wildcard", Value::String(wildcard)) => {
            let wildcard: Vec<char> = wildcard.chars().collect();
            text.is_some_and(|text| fits(&text.chars().collect::<Vec<_>>(), &wildcard))
        }
        ("numeric", Value::Array(bounds)) => value.as_number().is_some_and(|number| {
            bounds.chunks(2).all(|bound| {
                let (number, bound_number) =
                    (tenths(number), tenths(bound[1].as_number().unwrap()));
                match bound[0].as_str().unwrap() {
                    "=" => number == bound_number,
                    "<" => number < bound_number,
                    "<=" => number <= bound_number,
                    ">" => number > bound_number,
                    _ => number >= bound_number,
                }
            })
        }),
        ("cidr", _) => {
            assert_eq!(wanted, "10.0.0.0/8");
            text.is_some_and(|text| text.starts_with("10.") && text.split('.').count() == 4)
        }
        _ => panic!("{name}: {wanted}"),
    }
}

fn lower(ignoring_case: &Value) -> String {
    ignoring_case["equals-ignore-case"]
        .as_str()
        .unwrap()
        .to_lowercase()
}

fn fits(text: &[char], wildcard: &[char]) -> bool {
    match wildcard {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|skipped| fits(&text[skipped..], rest)),
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => {
            text.first() == Some(literal) && fits(&text[1..], rest)
        }
    }
}

/// The numbers of these tests have one decimal at the most, and those beyond a double have none.
fn tenths(number: &Number) -> i128 {
    let whole = number
        .as_u64()
        .map(i128::from)
        .or_else(|| number.as_i64().map(i128::from));
    whole.map_or_else(
        || (number.as_f64().unwrap() * 10.0) as i128,
        |whole| whole * 10,
    )
}
