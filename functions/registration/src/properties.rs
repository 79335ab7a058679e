//! The properties of a `Custom::PillarboxSubscription`.
//!
//! CloudFormation makes text of every scalar. A property that is empty is as good as left out, since a template's
//! parameter cannot be absent.

use pillarbox_domain::TenantId;
use pillarbox_domain::subscription::Subscription;
use pillarbox_domain::subscription::request::{
    FieldFault, RetryRequest, SubscriptionRequest, Whole,
};
use serde_json::{Map, Value};

const API_KEY: &str = "ApiKey";
const SUBSCRIPTION_ID: &str = "SubscriptionId";
const TYPES: &str = "Types";

/// The fields of a subscription, as the API and as a template calls them.
const FIELDS: [(&str, &str); 9] = [
    ("id", SUBSCRIPTION_ID),
    ("queue_url", "QueueUrl"),
    ("pattern", "Pattern"),
    ("target_version", "TargetVersion"),
    ("message_group", "MessageGroup"),
    ("retry.retries", "Retries"),
    ("retry.first_delay_ms", "FirstDelayMs"),
    ("retry.factor", "Factor"),
    ("retry.max_delay_ms", "MaxDelayMs"),
];

/// What CloudFormation itself uses of the properties.
const OF_CLOUD_FORMATION: [&str; 2] = ["ServiceToken", "ServiceTimeout"];

/// What a dynamic reference begins with. CloudFormation does not resolve those to secrets in a custom resource
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html>).
const DYNAMIC_REFERENCE: &str = "{{resolve:";

/// Properties, and what is wrong with them at first sight. They hold a secret, and so cannot be printed.
pub(crate) struct Properties {
    given: Map<String, Value>,
    faults: Vec<FieldFault>,
}

impl Properties {
    /// Takes what a template says.
    pub(crate) fn of(mut given: Map<String, Value>) -> Self {
        given
            .retain(|name, value| !OF_CLOUD_FORMATION.contains(&name.as_str()) && !is_empty(value));
        let mut faults = vec![];
        for (name, value) in &given {
            let is_list = value.is_array();
            if name != API_KEY && name != TYPES && FIELDS.iter().all(|(_, known)| known != name) {
                let detail = "is not a property of Custom::PillarboxSubscription";
                faults.push(FieldFault::new(name, detail));
            } else if value.is_object() || is_list != (name == TYPES) {
                let detail = if name == TYPES {
                    "must be a list"
                } else {
                    "must be a string"
                };
                faults.push(FieldFault::new(name, detail));
            }
        }
        Self { given, faults }
    }

    /// The API key; empty when there is none.
    ///
    /// # Errors
    /// When it is no key, but a reference to one.
    pub(crate) fn api_key(&self) -> Result<&str, FieldFault> {
        let key = self
            .given
            .get(API_KEY)
            .and_then(Value::as_str)
            .unwrap_or_default();
        if key.starts_with(DYNAMIC_REFERENCE) {
            let detail = "is a dynamic reference, which CloudFormation does not resolve here: pass the key itself as a \
                          parameter with NoEcho";
            return Err(FieldFault::new(API_KEY, detail));
        }
        Ok(key)
    }

    /// The subscription that is declared, of the tenant whose key it is.
    ///
    /// # Errors
    /// Every property at fault.
    pub(crate) fn subscription(
        mut self,
        owner: &TenantId,
        queue_prefix: &str,
    ) -> Result<Subscription, Vec<FieldFault>> {
        let id = self.text(SUBSCRIPTION_ID).unwrap_or_default();
        let wanted = self.request().create(owner, &id, queue_prefix);
        match (wanted, self.faults.is_empty()) {
            (Ok(wanted), true) => Ok(wanted),
            (wanted, _) => {
                let of_rules = wanted
                    .err()
                    .unwrap_or_default()
                    .into_iter()
                    .map(in_template);
                self.add_untold(of_rules);
                Err(self.faults)
            }
        }
    }

    fn request(&self) -> SubscriptionRequest {
        SubscriptionRequest {
            queue_url: self.text("QueueUrl"),
            types: self.types(),
            pattern: self.text("Pattern"),
            target_version: self.whole("TargetVersion").map(Some),
            retry: RetryRequest {
                retries: self.whole("Retries"),
                first_delay_ms: self.whole("FirstDelayMs"),
                factor: self.whole("Factor"),
                max_delay_ms: self.whole("MaxDelayMs"),
            },
            message_group: self.text("MessageGroup"),
        }
    }

    /// Of a property that has a fault already, no other is told.
    fn add_untold(&mut self, faults: impl Iterator<Item = FieldFault>) {
        let told: Vec<String> = self
            .faults
            .iter()
            .map(|fault| fault.field.clone())
            .collect();
        self.faults
            .extend(faults.filter(|fault| !told.contains(&fault.field)));
    }

    fn text(&self, name: &str) -> Option<String> {
        self.given.get(name).map(as_text)
    }

    fn types(&self) -> Option<Vec<String>> {
        let types = self.given.get(TYPES)?;
        Some(types.as_array()?.iter().map(as_text).collect())
    }

    fn whole(&self, name: &str) -> Option<Whole> {
        self.text(name).map(|text| Whole(text.trim().parse().ok()))
    }
}

/// Nothing, or a list of nothing, which is what a list parameter's empty default becomes.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.iter().all(is_empty),
        _ => false,
    }
}

/// Scalars of whoever is not CloudFormation are taken, too.
fn as_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A fault by the name that the template has for the field.
fn in_template(fault: FieldFault) -> FieldFault {
    let known = FIELDS.iter().find(|(field, _)| *field == fault.field);
    let field = match known {
        Some((_, property)) => (*property).to_owned(),
        None => fault.field.replacen("types", TYPES, 1),
    };
    FieldFault { field, ..fault }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subscription(properties: Value) -> Result<Subscription, String> {
        let Value::Object(given) = properties else {
            panic!("properties are an object")
        };
        let owner = "demo".parse().unwrap();
        let subscription = Properties::of(given).subscription(&owner, "pb-sub-");
        subscription.map_err(|faults| {
            let told = faults
                .iter()
                .map(|fault| format!("{} {}", fault.field, fault.detail));
            told.collect::<Vec<_>>().join("; ")
        })
    }

    fn orders() -> Value {
        json!({
            "ServiceToken": "arn:aws:lambda:eu-west-1:1:function:pb-registration", "ServiceTimeout": "120",
            "ApiKey": "pbk_demo_x", "SubscriptionId": "orders", "QueueUrl": "https://sqs.test/1/pb-sub-orders",
            "Types": ["order.*", "price.changed"],
        })
    }

    fn with(changes: Value) -> Value {
        let mut properties = orders();
        for (name, value) in changes.as_object().unwrap() {
            properties[name] = value.clone();
        }
        properties
    }

    #[test]
    fn numbers_are_texts_and_what_is_empty_is_left_out() {
        let full = json!({
            "TargetVersion": "2", "MessageGroup": "subject", "Retries": "7", "FirstDelayMs": "2000", "Factor": "3",
            "MaxDelayMs": 90_000, "Pattern": "",
        });
        let made = subscription(with(full)).unwrap();
        assert_eq!(made.target_version.map(|version| version.number()), Some(2));
        assert_eq!(made.message_group.as_str(), "subject");
        assert_eq!((made.retry.retries(), made.retry.factor()), (7, 3));
        assert_eq!(made.retry.first_delay().as_millis(), 2_000);
        assert_eq!(made.retry.max_delay().as_millis(), 90_000);
        let empty = json!({
            "TargetVersion": "", "MessageGroup": "", "Retries": "", "FirstDelayMs": "", "Factor": "",
            "MaxDelayMs": "", "Pattern": "",
        });
        assert_eq!(subscription(with(empty)), subscription(orders()));
    }

    #[test]
    fn a_pattern_is_a_text_whose_numbers_stay_numbers() {
        let pattern = r#"{"data":{"total":[{"numeric":[">",12.50]}]}}"#;
        for no_types in [json!([""]), json!([]), Value::Null] {
            let made = subscription(with(json!({ "Pattern": pattern, "Types": no_types })));
            assert_eq!(made.unwrap().pattern.as_json(), pattern);
        }
        let both = subscription(with(json!({ "Pattern": pattern }))).unwrap_err();
        assert!(both.starts_with("Types are short for a pattern"), "{both}");
        let neither = subscription(with(json!({ "Types": [""] }))).unwrap_err();
        assert!(neither.starts_with("Pattern is missing"), "{neither}");
    }

    #[test]
    fn every_property_at_fault_is_told_by_its_name_in_the_template() {
        let wrong = json!({
            "SubscriptionId": "Orders", "QueueUrl": "https://sqs.test/1/orders", "Types": ["order.*", "*.x"],
            "TargetVersion": "latest", "MessageGroup": "data.total", "Retries": "-1", "FirstDelayMs": "1.5",
            "Factor": "two", "MaxDelayMs": { "of": "course" }, "Queue": "x",
        });
        let told = subscription(with(wrong)).unwrap_err();
        let fields: Vec<&str> = told
            .split("; ")
            .map(|fault| fault.split(' ').next().unwrap())
            .collect();
        let expected = [
            "MaxDelayMs",
            "Queue",
            "SubscriptionId",
            "Types[1]",
            "QueueUrl",
            "TargetVersion",
            "Retries",
            "Factor",
            "FirstDelayMs",
            "MessageGroup",
        ];
        assert_eq!(fields, expected, "{told}");
        let told = subscription(json!({})).unwrap_err();
        let fields: Vec<&str> = told
            .split("; ")
            .map(|fault| fault.split(' ').next().unwrap())
            .collect();
        assert_eq!(fields, ["SubscriptionId", "Pattern", "QueueUrl"], "{told}");
    }

    #[test]
    fn types_are_a_list_and_nothing_else_is() {
        let told =
            subscription(with(json!({ "Types": "order.*", "QueueUrl": ["x"] }))).unwrap_err();
        assert_eq!(
            told.matches("QueueUrl must be a string").count(),
            1,
            "{told}"
        );
        assert_eq!(told.matches("Types must be a list").count(), 1, "{told}");
    }

    #[test]
    fn a_reference_that_nobody_resolved_is_not_taken_for_a_key() {
        let key = |text: &str| {
            let properties = json!({ "ApiKey": text });
            let properties = Properties::of(properties.as_object().unwrap().clone());
            properties.api_key().map(str::to_owned)
        };
        assert_eq!(key("pbk_demo_x"), Ok("pbk_demo_x".to_owned()));
        let refused = key("{{resolve:secretsmanager:pillarbox/key}}").unwrap_err();
        assert!(
            refused.detail.starts_with("is a dynamic reference"),
            "{refused:?}"
        );
    }
}
