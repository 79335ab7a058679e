//! A schedule as the bus shows it.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::pages::table;
use crate::problem::shown;

const HEADER: [&str; 6] = ["name", "expression", "timezone", "job", "range", "state"];

/// All of a tenant's.
#[derive(Deserialize)]
pub struct Schedules {
    schedules: Vec<Schedule>,
}

#[derive(Deserialize)]
pub struct Schedule {
    name: String,
    expression: String,
    timezone: String,
    enabled: bool,
    replay: Option<Box<RawValue>>,
    redrive: Option<Box<RawValue>>,
    created_at: String,
}

impl Schedules {
    pub fn text(&self) -> String {
        table(&HEADER, self.schedules.iter().map(Schedule::cells))
    }
}

impl Schedule {
    /// Everything, a setting a line.
    pub fn text(&self) -> String {
        let (job, body) = self.work();
        let lines = [
            ("schedule", shown(&self.name)),
            ("state", self.state().to_owned()),
            ("expression", shown(&self.expression)),
            ("timezone", shown(&self.timezone)),
            (job, shown(body)),
            ("created", shown(&self.created_at)),
        ];
        let lines = lines.map(|(name, value)| format!("{name:<10}  {value}"));
        lines.join("\n")
    }

    /// What became of one that was to be made.
    pub fn added_text(&self, created: bool) -> String {
        let (name, expression) = (shown(&self.name), shown(&self.expression));
        let (zone, (job, _)) = (shown(&self.timezone), self.work());
        let told = format!("a {job} at {expression} in {zone}");
        match (created, self.enabled) {
            (true, _) => format!("schedule {name} added: {told}"),
            (false, true) => format!("schedule {name} already exists: {told}; nothing changed"),
            (false, false) => {
                format!("schedule {name} already exists, and is disabled: {told}; nothing changed")
            }
        }
    }

    fn cells(&self) -> Vec<String> {
        let (job, body) = self.work();
        vec![
            shown(&self.name),
            shown(&self.expression),
            shown(&self.timezone),
            job.to_owned(),
            range(body),
            self.state().to_owned(),
        ]
    }

    fn work(&self) -> (&'static str, &str) {
        match (&self.replay, &self.redrive) {
            (Some(body), _) => ("replay", body.get()),
            (None, Some(body)) => ("redrive", body.get()),
            (None, None) => ("job", "-"),
        }
    }

    fn state(&self) -> &'static str {
        match self.enabled {
            true => "enabled",
            false => "disabled",
        }
    }
}

/// The range of a body, if it has one.
fn range(body: &str) -> String {
    let body = serde_json::from_str::<Value>(body).unwrap_or_default();
    let range = body["filter"]["range"].as_str();
    range.map_or_else(|| "-".to_owned(), shown)
}
