//! Many patterns at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Pattern;
use super::decimal::Decimal;
use super::document::EventDocument;
use super::evaluate::Place;
use super::index_keys::{Key, Path, TEXT_ATTRIBUTES, keys_by_path};
use super::json::Json;
use super::prefixes::Prefixes;

/// So many patterns under one key are few: they are held against an event sooner than its data are read.
const FEW_PATTERNS: usize = 16;

/// Patterns, found by what they ask of an event.
///
/// A pattern is kept under the first of `type`, `source` and `subject` that it wants to be certain texts, or to begin
/// in certain ways. When many others want the same there, it is kept under whatever value of the event, also of its
/// data, the fewest others want to be the same. How long it takes to find the patterns of an event thus depends on
/// how many there are for its values, not on how many there are. Only a pattern that wants no value in particular is
/// held against every event.
#[derive(Clone, Debug, Default)]
pub struct PatternIndex {
    patterns: Vec<Pattern>,
    by_path: Vec<(Path, ValueIndex)>,
    /// Places of the patterns that are under no path.
    others: Vec<usize>,
}

impl PatternIndex {
    /// Takes patterns, each known by its place from now on.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a Pattern>) -> Self {
        let patterns: Vec<Pattern> = patterns.into_iter().cloned().collect();
        let options = patterns.iter().map(|pattern| keys_by_path(&pattern.fields));
        let options: Vec<_> = options.collect();
        let crowds = Crowds::of(&options);
        let mut collected: BTreeMap<Path, Collected> = BTreeMap::new();
        let mut others = Vec::new();
        for (place, options) in options.iter().enumerate() {
            match crowds.choose(options) {
                Some((path, keys)) => {
                    let of_path = collected.entry(path.clone()).or_default();
                    keys.iter().for_each(|key| of_path.add(place, key));
                }
                None => others.push(place),
            }
        }
        let by_path = collected.into_iter();
        let by_path = by_path.map(|(path, collected)| (path, ValueIndex::of(collected)));
        Self {
            patterns,
            by_path: by_path.collect(),
            others,
        }
    }

    /// The places of the patterns that this event meets, ascending.
    pub fn matching(&self, event: &EventDocument<'_>) -> Vec<usize> {
        let mut places = self.candidates(event);
        places.retain(|place| self.patterns[*place].matches(event));
        places
    }

    /// The places of the patterns that [`PatternIndex::matching`] holds the event against, ascending: all that it
    /// meets, and few others.
    pub fn candidates(&self, event: &EventDocument<'_>) -> Vec<usize> {
        let mut found = self.others.clone();
        for (path, index) in &self.by_path {
            index.find_at(Place::Event(event), path, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// How many patterns want the same of the same value.
struct Crowds<'a>(HashMap<(&'a Path, &'a Key), usize>);

impl<'a> Crowds<'a> {
    fn of(options: &'a [BTreeMap<Path, Vec<Key>>]) -> Self {
        let mut counts = HashMap::new();
        for (path, keys) in options.iter().flatten() {
            for key in keys {
                *counts.entry((path, key)).or_default() += 1;
            }
        }
        Self(counts)
    }

    /// Where to keep a pattern.
    fn choose<'b>(
        &self,
        options: &'b BTreeMap<Path, Vec<Key>>,
    ) -> Option<(&'b Path, &'b Vec<Key>)> {
        let attributes = TEXT_ATTRIBUTES.iter();
        let mut of_attributes =
            attributes.filter_map(|name| options.get_key_value(&vec![(*name).into()]));
        of_attributes
            .find(|(path, keys)| self.size(path, keys) <= FEW_PATTERNS)
            .or_else(|| {
                options
                    .iter()
                    .min_by_key(|(path, keys)| self.size(path, keys))
            })
    }

    fn size(&self, path: &Path, keys: &[Key]) -> usize {
        let counts = keys.iter().map(|key| self.0.get(&(path, key)));
        // What most share with it is what it shares: an event has few of its keys.
        counts.flatten().copied().max().unwrap_or_default()
    }
}

/// Patterns by what they want one value to be, or to begin with.
#[derive(Clone, Debug, Default)]
struct ValueIndex {
    texts: HashMap<String, Vec<usize>>,
    numbers: HashMap<Decimal, Vec<usize>>,
    prefixes: Prefixes,
}

#[derive(Default)]
struct Collected {
    texts: HashMap<String, Vec<usize>>,
    numbers: HashMap<Decimal, Vec<usize>>,
    prefixes: BTreeMap<String, Vec<usize>>,
}

impl Collected {
    fn add(&mut self, place: usize, key: &Key) {
        let places = match key {
            Key::Text(text) => self.texts.entry(text.clone()).or_default(),
            Key::Number(number) => self.numbers.entry(number.clone()).or_default(),
            Key::Prefix(prefix) => self.prefixes.entry(prefix.clone()).or_default(),
        };
        places.push(place);
    }
}

impl ValueIndex {
    fn of(collected: Collected) -> Self {
        Self {
            texts: collected.texts,
            numbers: collected.numbers,
            prefixes: Prefixes::of(collected.prefixes),
        }
    }

    /// Adds the patterns of every value at the path, through all arrays on the way.
    fn find_at(&self, place: Place<'_, '_>, path: &[Arc<str>], found: &mut Vec<usize>) {
        match (place, path) {
            (Place::Value(Json::Array(items)), path) => {
                let items = items.iter();
                items.for_each(|item| self.find_at(Place::Value(item), path, found));
            }
            (place, [name, rest @ ..]) => {
                if let Some(value) = place.member(name) {
                    self.find_at(Place::Value(value), rest, found);
                }
            }
            (Place::Value(value), []) => self.find(value, found),
            (_, []) => {}
        }
    }

    fn find(&self, value: &Json<'_>, found: &mut Vec<usize>) {
        match value {
            Json::Text(text) => {
                found.extend(self.texts.get(text.as_ref()).into_iter().flatten());
                self.prefixes.find(text, found);
            }
            Json::Number(number) if !self.numbers.is_empty() => {
                let places = self.numbers.get(&Decimal::of(number));
                found.extend(places.into_iter().flatten());
            }
            _ => {}
        }
    }
}
