//! A step of a plan that is being made.

use crate::job::{Counts, Job, Plan, Unit, UnitPart};
use crate::log_hour::IdRange;

/// What a step adds.
pub(super) struct Draft {
    /// The plan after it.
    pub(super) plan: Plan,
    /// Its units.
    pub(super) units: Vec<Unit>,
    /// What is to be looked at.
    pub(super) range: IdRange,
    /// The plan before it.
    pub(super) before: Plan,
}

impl Draft {
    pub(super) fn of(job: &Job) -> Self {
        Self {
            plan: job.plan.clone(),
            units: vec![],
            range: job.plan.rest.unwrap_or(job.spec.range),
            before: job.plan.clone(),
        }
    }

    /// A unit of so many events. There is none where there are none.
    pub(super) fn add(&mut self, part: UnitPart, total: u64) {
        if total == 0 {
            return;
        }
        self.units.push(Unit {
            number: self.plan.units,
            part,
            total,
            cursor: None,
            done: Counts::default(),
        });
        self.plan.units += 1;
        self.plan.total += total;
    }

    /// What is left to look at after it; the plan is whole when that is nothing.
    pub(super) fn leave(&mut self, rest: Option<IdRange>) {
        self.plan.rest = rest;
        self.plan.is_whole = rest.is_none();
    }
}
