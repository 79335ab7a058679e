//! The functions of the stack: called as its schedules call them, and killed as a machine can be.

use std::fs;
use std::process::Command;
use std::time::Duration;

use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use crate::stack::Stack;

/// The longest that any of the functions runs.
const LONGEST_RUN: Duration = Duration::from_secs(300);

/// A function of the stack.
#[derive(Clone, Copy, Debug)]
pub struct Function(pub &'static str);

impl Stack {
    /// Calls a function, which has to succeed, and returns its answer.
    pub async fn invoke(&self, function: Function, input: &Value) -> Value {
        let name = format!("{}-{}", self.name, function.0);
        let invoke = self.lambda.invoke().function_name(&name);
        let payload = Blob::new(input.to_string());
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(LONGEST_RUN)
            .operation_attempt_timeout(LONGEST_RUN)
            .read_timeout(LONGEST_RUN);
        let patient = aws_sdk_lambda::Config::builder().timeout_config(timeouts.build());
        let invoke = invoke.payload(payload).customize();
        let answer = invoke.config_override(patient).send().await.unwrap();
        let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
        let said = String::from_utf8_lossy(payload);
        assert_eq!(answer.function_error(), None, "{name}: {said}");
        serde_json::from_str(&said).unwrap_or_default()
    }

    /// Kills every process of a function that runs now, as nothing can prepare for; how many there were is returned.
    /// They are told by their environment, which the local engine makes as Lambda does.
    pub fn kill(&self, function: Function) -> usize {
        let processes = self.processes(function);
        for id in &processes {
            let killed = Command::new("kill").args(["-KILL", id]).status().unwrap();
            assert!(killed.success(), "process {id} of {function:?} is gone");
        }
        processes.len()
    }

    fn processes(&self, function: Function) -> Vec<String> {
        let name = format!("AWS_LAMBDA_FUNCTION_NAME={}-{}", self.name, function.0);
        let endpoint = format!("AWS_ENDPOINT_URL={}", self.endpoint_url);
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let is_of_function = |id: &String| {
            let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            let has = |variable: &String| {
                let mut variables = environment.split(|byte| *byte == 0);
                variables.any(|there| there == variable.as_bytes())
            };
            has(&name) && has(&endpoint)
        };
        ids.filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))
            .filter(is_of_function)
            .collect()
    }

    /// Lets a day pass for whatever streams hold, which is how long they hold it.
    pub fn let_a_day_pass_for_streams(&self) {
        let told = Command::new("kill")
            .args(["-USR1", &self.engine_process_id])
            .status();
        assert!(told.unwrap().success(), "the engine is gone");
    }
}
