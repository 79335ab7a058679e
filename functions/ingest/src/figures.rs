//! What is measured of a publish.

use pillarbox_domain::publish::Published;
use pillarbox_runtime::http::Problem;
use pillarbox_runtime::metrics::Metrics;
use pillarbox_runtime::metrics::catalogue::{
    BATCH_SIZE, EVENTS_ACCEPTED, EVENTS_CONFLICT, EVENTS_DUPLICATE, EVENTS_REJECTED,
};

use crate::handler::Outcome;
use crate::noted::Noted;

/// Statuses of a request that was refused for who sent it: nobody looked at what it brought.
const REFUSED_CALLER: [u16; 2] = [401, 403];

/// Counts the events of a request by how they ended. What failed as a whole has no outcome of each; where not even
/// one event was found in it, it counts as one.
pub(crate) fn measure(metrics: &Metrics, noted: &Noted, outcome: &Result<Outcome, Problem>) {
    let notes = noted.notes().iter();
    let types = || notes.clone().map(|note| note.event_type.as_deref());
    match outcome {
        Ok(Outcome::One(published)) => {
            metrics.record(&BATCH_SIZE, (), 1.0);
            types().for_each(|event_type| count(metrics, event_type, published));
        }
        Ok(Outcome::Batch(outcomes)) => {
            metrics.record(&BATCH_SIZE, (), outcomes.len() as f64);
            for (event_type, outcome) in types().zip(outcomes) {
                match outcome {
                    Ok(published) => count(metrics, event_type, published),
                    Err(problem) => reject(metrics, event_type, problem),
                }
            }
        }
        Err(problem) if types().len() == 0 => reject(metrics, None, problem),
        Err(problem) => types().for_each(|event_type| reject(metrics, event_type, problem)),
    }
}

fn count(metrics: &Metrics, event_type: Option<&str>, published: &Published) {
    let metric = match published {
        Published::Accepted(_) => &EVENTS_ACCEPTED,
        Published::Duplicate(_) => &EVENTS_DUPLICATE,
        Published::Conflict(_) => &EVENTS_CONFLICT,
    };
    metrics.add(metric, event_type, 1);
}

/// What a store did not take is no event's fault.
fn reject(metrics: &Metrics, event_type: Option<&str>, problem: &Problem) {
    let status = problem.status();
    let is_rejected = (400..500).contains(&status) && !REFUSED_CALLER.contains(&status);
    metrics.add(&EVENTS_REJECTED, event_type, usize::from(is_rejected));
}
