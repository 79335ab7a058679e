//! What a tenant's operator does with replays and redrives, over HTTP.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::eventually;
use crate::stack::{Answer, Tenant};

/// The longest that a job of a test takes: of 100,000 events, on a busy machine with two processors.
pub const JOB_LIMIT: Duration = Duration::from_secs(15 * 60);

const PAUSE: Duration = Duration::from_millis(200);

impl Tenant {
    /// Asks for a replay, which has to be taken; its id is returned.
    pub async fn start_replay(&self, request: &Value) -> String {
        self.job_of("/v1/replays", request).await
    }

    /// Asks for a redrive, which has to be taken; its id is returned.
    pub async fn start_redrive(&self, request: &Value) -> String {
        self.job_of("/v1/redrives", request).await
    }

    async fn job_of(&self, path: &str, request: &Value) -> String {
        let answer = self.call(Method::POST, path, request).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.body["job_id"].as_str().unwrap().to_owned()
    }

    /// A job as it is now; asked for again while the API is too busy to tell, as with a job at work it may be.
    pub async fn job(&self, id: &str) -> Value {
        let path = format!("/v1/jobs/{id}");
        eventually(&format!("{path} answers"), async || {
            let answer = self.call(Method::GET, &path, &Value::Null).await;
            assert!(matches!(answer.status, 200 | 503), "{path}: {answer:?}");
            (answer.status == 200).then_some(answer.body)
        })
        .await
    }

    /// `pause`, `resume` or `cancel` of a job.
    pub async fn operate_job(&self, id: &str, operation: &str) -> Answer {
        let path = format!("/v1/jobs/{id}/{operation}");
        self.call(Method::POST, &path, &json!({})).await
    }

    /// The job as soon as it is in this state. Panics when it is in another that does not lead there.
    pub async fn job_in(&self, id: &str, state: &str) -> Value {
        let what = format!("job {id} is {state}");
        self.job_when(id, &what, |job| {
            let there = job["state"].as_str().unwrap();
            let is_over = matches!(there, "COMPLETED" | "CANCELLED" | "COUNTED");
            assert!(there == state || !is_over, "{what}: {job}");
            there == state
        })
        .await
    }

    /// The job as soon as it is like this. Panics, naming `what`, when that is not within [`JOB_LIMIT`].
    pub async fn job_when(&self, id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + JOB_LIMIT;
        loop {
            let job = self.job(id).await;
            if is(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "not in time: {what}: {job}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}
