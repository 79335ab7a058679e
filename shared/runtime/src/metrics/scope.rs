//! What metrics are told of, and what its members are called.

use pillarbox_domain::SubscriptionId;

/// What a metric is told of. Never a tenant: each value of a dimension is a metric that is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// One function.
    Function,
    /// Event types that share all but their last segment, and all of them together.
    TypeFamily,
    /// A subscription, and all of them together.
    Subscription,
    /// A kind of job, and both together.
    Kind,
    /// The bus as a whole.
    Bus,
}

impl Scope {
    /// All of them, in the order in which lines are written.
    pub const ALL: [Self; 5] = [
        Self::Function,
        Self::TypeFamily,
        Self::Subscription,
        Self::Kind,
        Self::Bus,
    ];

    /// The dimension that tells its members apart, if it has more than one.
    pub const fn dimension(self) -> Option<&'static str> {
        match self {
            Self::Function => Some("Function"),
            Self::TypeFamily => Some("TypeFamily"),
            Self::Subscription => Some("Subscription"),
            Self::Kind => Some("Kind"),
            Self::Bus => None,
        }
    }

    /// The sets of dimensions under which CloudWatch keeps a metric of this scope.
    pub const fn dimension_sets(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Function => &[&["Function"]],
            Self::TypeFamily => &[&["TypeFamily"], &[]],
            Self::Subscription => &[&["Subscription"], &[]],
            Self::Kind => &[&["Kind"], &[]],
            Self::Bus => &[&[]],
        }
    }

    /// Whether what its members are called comes from outside, so that only the first of them get a metric.
    pub(super) const fn is_capped(self) -> bool {
        matches!(self, Self::TypeFamily | Self::Subscription)
    }
}

/// A scope as a type: how a value's place in it is said.
pub trait Scoped {
    /// Where a value belongs.
    type Place<'a>;

    /// Which scope it is.
    const SCOPE: Scope;

    /// The value of its dimension, as far as CloudWatch can have it.
    fn value<'a>(place: Self::Place<'a>) -> &'a str;
}

/// The value of a dimension of what has none: an event whose type cannot be read, a dead letter that is no delivery.
pub const NONE: &str = "none";

/// Of the function that emits it.
#[derive(Debug)]
pub struct OfFunction;

/// Of the family of an event's type, if the type is known.
#[derive(Debug)]
pub struct OfType;

/// Of a subscription, if there is one.
#[derive(Debug)]
pub struct OfSubscription;

/// Of a kind of job, by its name in the API.
#[derive(Debug)]
pub struct OfKind;

/// Of the bus.
#[derive(Debug)]
pub struct OfBus;

impl Scoped for OfFunction {
    type Place<'a> = ();
    const SCOPE: Scope = Scope::Function;
    fn value<'a>((): Self::Place<'a>) -> &'a str {
        ""
    }
}

impl Scoped for OfType {
    type Place<'a> = Option<&'a str>;
    const SCOPE: Scope = Scope::TypeFamily;
    fn value<'a>(event_type: Self::Place<'a>) -> &'a str {
        event_type.map_or(NONE, family)
    }
}

impl Scoped for OfSubscription {
    type Place<'a> = Option<&'a SubscriptionId>;
    const SCOPE: Scope = Scope::Subscription;
    fn value<'a>(subscription: Self::Place<'a>) -> &'a str {
        subscription.map_or(NONE, SubscriptionId::as_str)
    }
}

impl Scoped for OfKind {
    type Place<'a> = &'static str;
    const SCOPE: Scope = Scope::Kind;
    fn value<'a>(kind: Self::Place<'a>) -> &'a str {
        kind
    }
}

impl Scoped for OfBus {
    type Place<'a> = ();
    const SCOPE: Scope = Scope::Bus;
    fn value<'a>((): Self::Place<'a>) -> &'a str {
        ""
    }
}

/// Characters of a dimension's value; it is of ASCII without control characters, and does not begin with a colon
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html>).
pub const MAX_DIMENSION_CHARS: usize = 1_024;

/// An event type without its last segment; one of a single segment is its own family. Where CloudWatch cannot have
/// it, it is [`NONE`].
pub fn family(event_type: &str) -> &str {
    let family = match event_type.rsplit_once('.') {
        Some((family, _)) => family,
        None => event_type,
    };
    let is_text = family.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let is_value = is_text && !family.trim().is_empty() && !family.starts_with(':');
    match is_value && family.len() <= MAX_DIMENSION_CHARS {
        true => family,
        false => NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_the_type_without_its_last_segment() {
        for (event_type, expected) in [
            ("order.created", "order"),
            ("com.github.push", "com.github"),
            ("ping", "ping"),
            ("order.", "order"),
            (".created", NONE),
            ("", NONE),
            (" ", NONE),
            ("\u{fc}ber.alles", NONE),
            (":order.created", NONE),
            ("a\tb.c", NONE),
        ] {
            assert_eq!(family(event_type), expected, "{event_type:?}");
        }
        let longest = "a".repeat(MAX_DIMENSION_CHARS);
        assert_eq!(family(&longest), longest);
        assert_eq!(family(&format!("{longest}a")), NONE);
    }
}
