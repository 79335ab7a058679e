//! What the function is called with.

use std::time::Duration;

use pillarbox_domain::seal::SealSettings;
use pillarbox_domain::sweep::Rules;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Records of the sweep's queue; or a schedule's call, or a person's, for a task. What is misspelled is refused: a
/// call that was meant to go by other rules must not go by the usual ones.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Input {
    #[serde(rename = "Records")]
    records: Option<Vec<Box<RawValue>>>,
    task: Task,
    settle_seconds: Option<u32>,
    stalled_seconds: Option<u32>,
    silent_seconds: Option<u32>,
    budget_seconds: Option<u32>,
    at_once: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    #[default]
    Sweep,
    Seal,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Request {
    /// That what these messages name is handed over.
    Take(Vec<Box<RawValue>>),
    /// A run by these rules.
    Sweep(Rules),
    /// A pass over closed hours, gone about like this.
    Seal(SealSettings),
}

impl Input {
    /// What it asks for. What it says of the rules is in the place of `rules`; a seal has its own budget, and waits as
    /// long as the sweep does.
    pub(crate) fn request(self, rules: Rules) -> Request {
        let seconds = |told: Option<u32>, otherwise: Duration| {
            told.map_or(otherwise, |seconds| Duration::from_secs(seconds.into()))
        };
        match (self.records, self.task) {
            (Some(records), _) => Request::Take(records),
            (None, Task::Sweep) => Request::Sweep(Rules {
                settle: seconds(self.settle_seconds, rules.settle),
                stalled_after: seconds(self.stalled_seconds, rules.stalled_after),
                silent_after: seconds(self.silent_seconds, rules.silent_after),
                budget: seconds(self.budget_seconds, rules.budget),
                at_once: self.at_once.unwrap_or(rules.at_once),
            }),
            (None, Task::Seal) => {
                let usual = SealSettings::default();
                Request::Seal(SealSettings {
                    settle: seconds(self.settle_seconds, rules.settle),
                    budget: seconds(self.budget_seconds, usual.budget),
                    ..usual
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(input: serde_json::Value) -> Request {
        let input: Input = serde_json::from_str(&input.to_string()).unwrap();
        input.request(Rules::default())
    }

    #[test]
    fn a_call_without_anything_is_for_the_sweep_by_the_usual_rules() {
        for input in [json!({}), json!({ "task": "sweep" })] {
            let Request::Sweep(rules) = request(input) else {
                panic!("it asks for something else");
            };
            assert_eq!(rules, Rules::default());
        }
    }

    #[test]
    fn a_call_may_bring_rules_of_its_own() {
        let input = json!({
            "task": "sweep", "settle_seconds": 0, "stalled_seconds": 1, "silent_seconds": 2,
            "budget_seconds": 3, "at_once": 4,
        });
        let Request::Sweep(rules) = request(input) else {
            panic!("it asks for something else");
        };
        let told = Rules {
            settle: Duration::ZERO,
            stalled_after: Duration::from_secs(1),
            silent_after: Duration::from_secs(2),
            budget: Duration::from_secs(3),
            at_once: 4,
        };
        assert_eq!(rules, told);
    }

    #[test]
    fn a_seal_waits_as_long_as_the_sweep_does_unless_it_is_told_otherwise() {
        let usual = SealSettings::default();
        let told = [
            (json!({}), Rules::default().settle, usual.budget),
            (json!({ "settle_seconds": 0 }), Duration::ZERO, usual.budget),
            (
                json!({ "budget_seconds": 9 }),
                Rules::default().settle,
                Duration::from_secs(9),
            ),
        ];
        for (mut input, settle, budget) in told {
            input["task"] = json!("seal");
            let Request::Seal(settings) = request(input) else {
                panic!("it asks for something else");
            };
            assert_eq!((settings.settle, settings.budget), (settle, budget));
        }
    }

    #[test]
    fn what_is_misspelled_is_refused() {
        for input in [
            json!({ "task": "sweeps" }),
            json!({ "settle_second": 0 }),
            json!({ "settle_seconds": -1 }),
        ] {
            assert!(
                serde_json::from_str::<Input>(&input.to_string()).is_err(),
                "{input}"
            );
        }
    }
}
