//! The schedule that comes with the template is one that the API would have made.

use pillarbox_aws::keys;
use pillarbox_domain::schedule::ScheduledCall;

use super::*;

const EXAMPLE_REPLAY: &str = "ExampleReplay";

/// A text with this tenant in the place of the parameter.
fn with_tenant(text: &Value, tenant: &str) -> String {
    let text = text["Fn::Sub"].as_str().unwrap_or_default();
    text.replace("${ExampleReplayTenant}", tenant)
}

fn of_no_tenant(template: &Template) -> Faults {
    let property = |name| template.property(EXAMPLE_REPLAY, name);
    let tenant = template.at("/Parameters/ExampleReplayTenant/Default");
    let tenant = tenant.as_str().unwrap();
    let call = match ScheduledCall::read(&with_tenant(property("Target/Input"), tenant)) {
        Ok(call) => call,
        Err(error) => return vec![format!("its input is no call: {error}")],
    };
    let name = with_tenant(property("Name"), tenant);
    let retries = property("Target/RetryPolicy");
    let faults = [
        unless(
            call.tenant.as_str() == tenant,
            "it calls for another".to_owned(),
        ),
        unless(
            name == keys::schedule(&call.tenant, &call.name),
            format!("it is not found by its name '{name}'"),
        ),
        unless(
            property("GroupName")["Ref"] == "JobSchedules",
            "it is in no group of tenants' schedules".to_owned(),
        ),
        unless(
            retries.is_object(),
            "nothing says how often it is tried".to_owned(),
        ),
    ];
    faults.into_iter().flatten().collect()
}

#[test]
fn the_example_of_a_schedule_is_one_that_the_api_lists() {
    let place = |name: &str| format!("/Resources/{EXAMPLE_REPLAY}/Properties/{name}");
    let other_call = json!({ "Fn::Sub": "{\"schedule\": {}}" });
    check(
        of_no_tenant,
        &[
            (&place("GroupName"), Value::Null, "in no group"),
            (
                &place("Name"),
                json!({ "Fn::Sub": "${ExampleReplayTenant}-example" }),
                "'demo-example'",
            ),
            (&place("Target/Input"), other_call, "is no call"),
            (&place("Target/RetryPolicy"), Value::Null, "how often"),
        ],
    );
}
