//! Every operator and every kind of example of EventBridge's documentation, on CloudEvents: what meets a pattern and
//! what does not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use pillarbox_domain::CloudEvent;
use pillarbox_domain::pattern::{EventDocument, Pattern};
use pillarbox_testkit::builders::event_with;

/// An event from `/shop` of type `order.created`, with these members over the required ones.
fn event(members: &str) -> CloudEvent {
    event_with(serde_json::from_str(members).unwrap())
}

fn is_met(pattern: &str, event: &CloudEvent) -> bool {
    let pattern = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    pattern.matches(&EventDocument::of(event))
}

/// A pattern, members of events that meet it, and of events that do not.
type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

fn check(cases: &[Case<'_>]) {
    for (pattern, met, unmet) in cases {
        for members in *met {
            assert!(
                is_met(pattern, &event(members)),
                "{pattern} must be met by {members}"
            );
        }
        for members in *unmet {
            assert!(
                !is_met(pattern, &event(members)),
                "{pattern} must not be met by {members}"
            );
        }
    }
}

/// A test of the data's member `x`, values that meet it, and values that do not.
fn check_values(cases: &[Case<'_>]) {
    for (tests, met, unmet) in cases {
        let pattern = format!(r#"{{"data":{{"x":{tests}}}}}"#);
        let event = |value: &&str| {
            let text = format!(
                r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{{"x": {value} }}}}"#
            );
            CloudEvent::from_structured(text.as_bytes()).unwrap()
        };
        for value in *met {
            assert!(
                is_met(&pattern, &event(value)),
                "{tests} must be met by {value}"
            );
        }
        for value in *unmet {
            assert!(
                !is_met(&pattern, &event(value)),
                "{tests} must not be met by {value}"
            );
        }
    }
}

#[test]
fn a_pattern_has_the_structure_of_the_events_that_meet_it() {
    let terminated = r#"{"source": ["aws.ec2"], "type": ["EC2 Instance State-change Notification"],
        "data": {"state": ["terminated"]}}"#;
    let finding =
        r#"{"type": ["Macie Finding"], "data": {"severity": {"score": [1]}, "count": [2]}}"#;
    check(&[
        (
            terminated,
            &[
                r#"{"source": "aws.ec2", "type": "EC2 Instance State-change Notification",
                "data": {"instance-id": "i-1", "state": "terminated"}}"#,
            ],
            &[
                r#"{"source": "aws.ec2", "type": "EC2 Instance State-change Notification", "data": {"state": "running"}}"#,
                r#"{"source": "aws.s3", "type": "EC2 Instance State-change Notification", "data": {"state": "terminated"}}"#,
                r#"{"source": "aws.ec2", "type": "EC2 Instance State-change Notification", "state": "terminated"}"#,
                r#"{"source": "aws.ec2", "type": "EC2 Instance State-change Notification", "data": {"in": {"state": "terminated"}}}"#,
                r#"{"source": "aws.ec2", "type": "EC2 Instance State-change Notification", "data": "terminated"}"#,
            ],
        ),
        (
            finding,
            &[
                r#"{"type": "Macie Finding", "data": {"severity": {"score": 1, "description": "Low"}, "count": 2}}"#,
            ],
            &[
                r#"{"type": "Macie Finding", "data": {"severity": {"score": 2}, "count": 2}}"#,
                r#"{"type": "Macie Finding", "data": {"severity": {"score": 1}, "count": "2"}}"#,
                r#"{"type": "Macie Finding", "data": {"severity": {"score": 1}}}"#,
                r#"{"type": "Macie Finding", "data": {"severity.score": 1, "count": 2}}"#,
            ],
        ),
        (
            r#"{"source": ["aws.ec2", "aws.fargate"]}"#,
            &[r#"{"source": "aws.ec2"}"#, r#"{"source": "aws.fargate"}"#],
            &[
                r#"{"source": "aws.ec2.x"}"#,
                r#"{"source": "AWS.EC2"}"#,
                r#"{"source": "ec2"}"#,
            ],
        ),
    ]);
}

#[test]
fn every_attribute_is_a_member_with_its_own_type() {
    check(&[
        (r#"{"specversion": ["1.0"]}"#, &["{}"], &[]),
        (r#"{"id": ["7"]}"#, &[r#"{"id": "7"}"#], &[r#"{"id": "8"}"#]),
        (
            r#"{"subject": ["a/b"]}"#,
            &[r#"{"subject": "a/b"}"#],
            &["{}", r#"{"subject": "a"}"#],
        ),
        (
            r#"{"time": [{"prefix": "2017-10-02"}]}"#,
            &[r#"{"time": "2017-10-02T18:43:48Z"}"#],
            &[r#"{"time": "2017-10-03T00:00:00Z"}"#, "{}"],
        ),
        (
            r#"{"region": [{"prefix": "us-"}]}"#,
            &[r#"{"region": "us-east-1"}"#],
            &[r#"{"region": "eu-us-1"}"#],
        ),
        (
            r#"{"sequence": [7]}"#,
            &[r#"{"sequence": 7}"#],
            &[r#"{"sequence": "7"}"#, r#"{"sequence": 70}"#],
        ),
        (
            r#"{"sampled": [true]}"#,
            &[r#"{"sampled": true}"#],
            &[r#"{"sampled": false}"#, r#"{"sampled": "true"}"#],
        ),
        (
            r#"{"datacontenttype": ["text/plain"], "data_base64": ["aGk="]}"#,
            &[r#"{"datacontenttype": "text/plain", "data_base64": "aGk="}"#],
            &[r#"{"datacontenttype": "text/plain", "data_base64": "aGo="}"#],
        ),
        (
            r#"{"data": [{"exists": true}]}"#,
            &[r#"{"data": 5}"#, r#"{"data": null}"#, r#"{"data": [1]}"#],
            &[r#"{"data_base64": "aGk="}"#, "{}", r#"{"data": {"x": 1}}"#],
        ),
        (
            r#"{"data_base64": [{"exists": false}]}"#,
            &[r#"{"data": 5}"#, "{}"],
            &[r#"{"data_base64": ""}"#],
        ),
        (
            r#"{"data": ["hi"]}"#,
            &[r#"{"data": "hi"}"#, r#"{"data": ["ho", "hi"]}"#],
            &[r#"{"data": "ho"}"#],
        ),
        (r#"{"source": {"x": ["a"]}}"#, &[], &[r#"{"source": "a"}"#]),
        (r#"{"detail-type": ["x"]}"#, &[], &["{}"]),
    ]);
}

#[test]
fn values_are_exact() {
    check_values(&[
        (
            r#"["a"]"#,
            &[r#""a""#, r#""\u0061""#],
            &[r#""A""#, r#""a ""#, r#""""#, "1", "null", "{}", "[]"],
        ),
        (
            r#"[""]"#,
            &[r#""""#],
            &["null", r#"" ""#, "[]", "{}", "0", "false"],
        ),
        (
            "[null]",
            &["null", "[1, null]"],
            &[r#""""#, r#""null""#, "false", "0", "[]", "{}"],
        ),
        ("[true]", &["true"], &["false", r#""true""#, "1"]),
        ("[false]", &["false"], &["true", "null", "0", r#""false""#]),
        (r#"["\u00e9"]"#, &[r#""é""#], &[r#""e\u0301""#]),
        (
            r#"["\ud83d\ude00\n\"\\"]"#,
            &[r#""😀\u000a\u0022\\""#],
            &[r#""😀""#],
        ),
        (
            r#"["10.0.0.1"]"#,
            &[r#""10.0.0.1""#],
            &[r#""::ffff:10.0.0.1""#],
        ),
        (
            r#"["Credit", "Debit"]"#,
            &[r#""Credit""#, r#""Debit""#],
            &[r#""Cash""#],
        ),
    ]);
}

#[test]
fn numbers_are_compared_by_value() {
    check_values(&[
        (
            "[300]",
            &["300", "300.0", "3.0e2", "3E+2", "30000e-2"],
            &["301", r#""300""#, "300.0000000000000000001"],
        ),
        (
            "[0]",
            &["0", "-0", "0.0", "0e5", "-0.00E-3"],
            &["1e-400", "null", "false"],
        ),
        (
            "[18446744073709551617]",
            &["18446744073709551617", "1.8446744073709551617e19"],
            &[
                "18446744073709551616",
                "18446744073709551618",
                "1.8446744073709552e19",
            ],
        ),
        (
            "[9007199254740993]",
            &["9007199254740993", "9007199254740993.0"],
            &["9007199254740992", "9007199254740994"],
        ),
        (
            "[0.1]",
            &["0.1", "1e-1", "0.10"],
            &["0.1000000000000000055511151231257827"],
        ),
        ("[-2.50]", &["-2.5", "-25e-1"], &["2.5"]),
        (
            r#"[{"anything-but": 123}]"#,
            &["124", "123.1", r#""123""#, "null"],
            &["123", "123.0", "1.23e2"],
        ),
        (
            r#"[{"anything-but": [100, 200.0, 3e2]}]"#,
            &["150", "true"],
            &["100.0", "2e2", "300"],
        ),
    ]);
}

#[test]
fn prefixes_and_suffixes_are_of_strings() {
    check_values(&[
        (
            r#"[{"prefix": "us-"}]"#,
            &[r#""us-east-1""#, r#""us-""#],
            &[r#""US-east""#, r#""us""#, r#""eu-us-""#, "5"],
        ),
        (
            r#"[{"prefix": ""}]"#,
            &[r#""a""#, r#""""#],
            &["1", "null", "true", "{}", "[]"],
        ),
        (
            r#"[{"suffix": ".png"}]"#,
            &[r#""a.png""#, r#"".png""#],
            &[r#""a.PNG""#, r#""a.png ""#, r#""png""#],
        ),
        (r#"[{"suffix": ""}]"#, &[r#""""#, r#""b""#], &["1"]),
        (
            r#"[{"prefix": {"equals-ignore-case": "EventB"}}]"#,
            &[r#""EventBridge""#, r#""EVENTB""#, r#""eventbus""#],
            &[r#""event""#, r#""xEventB""#],
        ),
        (
            r#"[{"suffix": {"equals-ignore-case": ".png"}}]"#,
            &[r#""a.PNG""#, r#"".pNg""#],
            &[r#""png""#, r#""a.png.""#],
        ),
        (r#"[{"prefix": "1"}]"#, &[r#""1""#], &["1", "10"]),
        (
            r#"[{"prefix": "é"}]"#,
            &[r#""été""#],
            &[r#""e""#, r#""\u00c9""#],
        ),
    ]);
}

#[test]
fn case_is_ignored_only_where_it_is_said_to_be() {
    check_values(&[
        (
            r#"[{"equals-ignore-case": "ec2 instance state-change notification"}]"#,
            &[r#""EC2 Instance State-change Notification""#],
            &[
                r#""EC2 Instance""#,
                r#""xEC2 Instance State-change Notification""#,
            ],
        ),
        (
            r#"[{"equals-ignore-case": "alice"}]"#,
            &[r#""Alice""#, r#""ALICE""#],
            &[r#""Alicia""#, r#""""#],
        ),
        (
            r#"[{"equals-ignore-case": "STRAẞE"}]"#,
            &[r#""straße""#, r#""STRASSE""#, r#""Straẞe""#],
            &[r#""strase""#],
        ),
        (
            r#"[{"equals-ignore-case": "ΑΣ"}]"#,
            &[r#""ας""#, r#""ασ""#],
            &[r#""α""#],
        ),
        (
            r#"[{"equals-ignore-case": ""}]"#,
            &[r#""""#],
            &["null", r#""a""#],
        ),
    ]);
}

#[test]
fn a_wildcard_stands_for_any_characters_or_none() {
    check_values(&[
        (
            r#"[{"wildcard": "dir/*.png"}]"#,
            &[r#""dir/a.png""#, r#""dir/.png""#, r#""dir/b/c.png""#],
            &[r#""dir/a.jpg""#, r#""adir/a.png""#, r#""dir.png""#],
        ),
        (
            r#"[{"wildcard": "*"}]"#,
            &[r#""""#, r#""x""#],
            &["1", "null"],
        ),
        (
            r#"[{"wildcard": "*.png"}]"#,
            &[r#"".png""#, r#""a.png.png""#],
            &[r#""a.pngx""#],
        ),
        (
            r#"[{"wildcard": "Event*"}]"#,
            &[r#""Event""#, r#""EventBus""#],
            &[r#""event""#, r#""xEvent""#],
        ),
        (
            r#"[{"wildcard": "*Title*"}]"#,
            &[r#""Title""#, r#""aTitleb""#],
            &[r#""title""#],
        ),
        (
            r#"[{"wildcard": "a*b*c"}]"#,
            &[r#""abc""#, r#""abbc""#, r#""a--b--c""#, r#""abcbc""#],
            &[r#""acb""#, r#""ab""#, r#""abcd""#],
        ),
        (
            r#"[{"wildcard": "a*a"}]"#,
            &[r#""aa""#, r#""aba""#],
            &[r#""a""#],
        ),
        (
            r#"[{"wildcard": "*ab*ab*"}]"#,
            &[r#""abab""#, r#""xabyabz""#],
            &[r#""ab""#, r#""aab""#],
        ),
        (
            r#"[{"wildcard": "a\\*b"}]"#,
            &[r#""a*b""#],
            &[r#""axb""#, r#""a\\b""#, r#""ab""#],
        ),
        (
            r#"[{"wildcard": "a\\\\*b"}]"#,
            &[r#""a\\b""#, r#""a\\xb""#],
            &[r#""a*b""#, r#""ab""#],
        ),
        (
            r#"[{"wildcard": "*\\**"}]"#,
            &[r#""*""#, r#""a*b""#],
            &[r#""ab""#, r#""""#],
        ),
        (
            r#"[{"wildcard": "plain"}]"#,
            &[r#""plain""#],
            &[r#""plainer""#, r#""""#],
        ),
        (r#"[{"wildcard": ""}]"#, &[r#""""#], &[r#""a""#]),
        (
            r#"[{"wildcard": "é*é"}]"#,
            &[r#""éé""#, r#""é😀é""#],
            &[r#""é""#],
        ),
    ]);
}

#[test]
fn anything_but_is_met_by_every_other_value_that_is_there() {
    check_values(&[
        (
            r#"[{"anything-but": "initializing"}]"#,
            &[
                r#""running""#,
                r#""Initializing""#,
                "null",
                "0",
                "false",
                r#""""#,
                r#"["initializing", "x"]"#,
            ],
            &[
                r#""initializing""#,
                r#"["initializing"]"#,
                "[]",
                "{}",
                r#"{"y": 1}"#,
            ],
        ),
        (
            r#"[{"anything-but": ["stopped", "overloaded"]}]"#,
            &[r#""running""#, "7"],
            &[r#""stopped""#, r#""overloaded""#],
        ),
        (
            r#"[{"anything-but": {"prefix": "init"}}]"#,
            &[r#""xinit""#, r#""ini""#, "7"],
            &[r#""init""#, r#""initializing""#],
        ),
        (
            r#"[{"anything-but": {"prefix": ["us-", "eu-"]}}]"#,
            &[r#""ap-1""#],
            &[r#""us-1""#, r#""eu-1""#],
        ),
        (
            r#"[{"anything-but": {"suffix": ".png"}}]"#,
            &[r#""a.jpg""#],
            &[r#""a.png""#],
        ),
        (
            r#"[{"anything-but": {"suffix": [".png", ".jpg"]}}]"#,
            &[r#""a.gif""#],
            &[r#""a.png""#, r#""a.jpg""#],
        ),
        (
            r#"[{"anything-but": {"equals-ignore-case": "initializing"}}]"#,
            &[r#""init""#],
            &[r#""INITIALIZING""#],
        ),
        (
            r#"[{"anything-but": {"equals-ignore-case": ["stopped", "Overloaded"]}}]"#,
            &[r#""a""#],
            &[r#""STOPPED""#, r#""overLOADED""#],
        ),
        (
            r#"[{"anything-but": {"wildcard": "*/lib/*"}}]"#,
            &[r#""/lib""#],
            &[r#""/usr/lib/a""#],
        ),
        (
            r#"[{"anything-but": {"wildcard": ["*/lib/*", "*/bin/*"]}}]"#,
            &[r#""/etc/x""#],
            &[r#""/lib/""#, r#""/bin/""#],
        ),
        (
            r#"[{"anything-but": "a"}, "a"]"#,
            &[r#""a""#, r#""b""#],
            &["[]"],
        ),
        (r#"[{"anything-but": ""}]"#, &[r#""a""#, "null"], &[r#""""#]),
    ]);
    check(&[(
        r#"{"data": {"x": [{"anything-but": "a"}]}}"#,
        &[],
        &[r#"{"data": {"y": "b"}}"#, "{}"],
    )]);
}

#[test]
fn numeric_compares_json_numbers() {
    check_values(&[
        (
            r#"[{"numeric": [">", 0, "<=", 5]}]"#,
            &["1", "5", "5.0", "0.0000000000000000000000001"],
            &[
                "0",
                "-0.0",
                "5.00000000000000000000001",
                r#""3""#,
                "null",
                "6",
            ],
        ),
        (
            r#"[{"numeric": ["<", 10]}]"#,
            &["9.999", "-1e300", "-99999999999999999999"],
            &["10", "10.0", "1e1"],
        ),
        (
            r#"[{"numeric": ["=", 3.018e2]}]"#,
            &["301.8", "3018e-1"],
            &["301.81", "301"],
        ),
        (
            r#"[{"numeric": [">=", -5, "<", 5]}]"#,
            &["-5", "0", "4.9"],
            &["5", "-5.1"],
        ),
        (
            r#"[{"numeric": [">", 100]}]"#,
            &["101", "6e9", "1e308", "123456789012345678901234567890"],
            &["100", "-6e9"],
        ),
        (r#"[{"numeric": ["<=", -0]}]"#, &["0", "-1"], &["0.1"]),
        (
            r#"[{"numeric": [">=", -5e9, "<=", 5000000000]}]"#,
            &["5e9", "-5000000000"],
            &["5000000000.1"],
        ),
        (
            r#"[{"numeric": [">", 10, "<=", 20]}, {"numeric": ["=", 100]}]"#,
            &["20", "100"],
            &["10", "99"],
        ),
    ]);
}

#[test]
fn cidr_is_met_by_addresses_in_the_range() {
    check_values(&[
        (
            r#"[{"cidr": "10.0.0.0/24"}]"#,
            &[r#""10.0.0.0""#, r#""10.0.0.255""#, r#""::ffff:10.0.0.7""#],
            &[
                r#""10.0.1.0""#,
                r#""10.0.0.256""#,
                r#""10.0.0""#,
                r#""10.0.0.1 ""#,
                "10",
                r#""::a00:1""#,
                r#""x""#,
            ],
        ),
        (
            r#"[{"cidr": "10.1.2.3/8"}]"#,
            &[r#""10.255.0.1""#],
            &[r#""11.0.0.0""#],
        ),
        (
            r#"[{"cidr": "0.0.0.0/0"}]"#,
            &[r#""255.255.255.255""#],
            &[r#""2001:db8::1""#, r#""""#],
        ),
        (
            r#"[{"cidr": "10.0.0.33/32"}]"#,
            &[r#""10.0.0.33""#],
            &[r#""10.0.0.32""#],
        ),
        (
            r#"[{"cidr": "2001:db8::/32"}]"#,
            &[r#""2001:db8::1""#, r#""2001:0DB8:ffff::""#],
            &[r#""2001:db9::""#, r#""10.0.0.1""#],
        ),
        (
            r#"[{"cidr": "::/0"}]"#,
            &[r#""::""#, r#""ffff::ffff""#],
            &[r#""1.2.3.4""#],
        ),
        (
            r#"[{"cidr": "fe80::1/127"}]"#,
            &[r#""fe80::""#, r#""fe80:0:0:0:0:0:0:1""#],
            &[r#""fe80::2""#],
        ),
    ]);
}

#[test]
fn exists_is_about_values_and_not_about_what_holds_them() {
    check_values(&[
        (
            r#"[{"exists": true}]"#,
            &["1", "null", r#""""#, "false", "[[], [0]]"],
            &["{}", "[]", r#"{"c1": 100}"#, "[[], {}]"],
        ),
        (
            r#"[{"exists": false}]"#,
            &["{}", "[]", r#"{"c1": 100}"#, r#"[{"c1": 1}]"#],
            &["1", "null", r#""""#, "[[], [0]]"],
        ),
        (
            r#"[{"exists": false}, "a"]"#,
            &["{}", r#""a""#, r#"["b", "a"]"#],
            &[r#""b""#, "null"],
        ),
    ]);
    check(&[
        (
            r#"{"data": {"state": [{"exists": true}]}}"#,
            &[r#"{"data": {"instance-id": "i", "state": "pending"}}"#],
            &[
                r#"{"data": {"c-count": {"c1": 100}}}"#,
                "{}",
                r#"{"data": "state"}"#,
            ],
        ),
        (
            r#"{"data": {"c-count": [{"exists": false}]}}"#,
            &[
                r#"{"data": {"state": "x"}}"#,
                r#"{"data": {"c-count": {"c1": 100}}}"#,
                "{}",
                r#"{"data_base64": "aGk="}"#,
            ],
            &[r#"{"data": {"c-count": 5}}"#],
        ),
        (
            r#"{"subject": [{"exists": false}, {"prefix": "a"}]}"#,
            &["{}", r#"{"subject": "ab"}"#],
            &[r#"{"subject": "b"}"#],
        ),
        (r#"{"type": [{"exists": false}]}"#, &[], &["{}"]),
        (
            r#"{"data": {"a": {"b": {"c": [{"exists": false}]}}}}"#,
            &[
                "{}",
                r#"{"data": {"a": 1}}"#,
                r#"{"data": {"a": {"b": [1]}}}"#,
            ],
            &[r#"{"data": {"a": [{"b": [[{"c": 0}]]}]}}"#],
        ),
    ]);
}

#[test]
fn a_field_with_an_array_is_met_by_any_of_its_values() {
    let resources = r#"{"data": {"resources": ["arn:1:instance/i-b1", "arn:2:instance/i-b1", "arn:3:instance/i-b1"]}}"#;
    check(&[(
        resources,
        &[
            r#"{"data": {"resources": ["arn:1:autoScalingGroup/x", "arn:1:instance/i-b1"]}}"#,
            r#"{"data": {"resources": [[], [["arn:2:instance/i-b1"]]]}}"#,
        ],
        &[
            r#"{"data": {"resources": []}}"#,
            r#"{"data": {"resources": ["arn:4"]}}"#,
            r#"{"data": {"resources": [{"x": "arn:1:instance/i-b1"}]}}"#,
        ],
    )]);
}

#[test]
fn all_fields_below_an_array_are_met_by_one_element() {
    let anna = r#"{"data": {"staff": [{"first": "John", "last": "Doe"}, {"first": "Anna", "last": "Smith"},
        {"first": "Peter", "last": "Jones"}]}}"#;
    let nested = r#"{"data": {"staff": [[{"first": "John", "last": "Doe"}, {"first": "Anna", "last": "Smith"}],
        [{"first": "Peter", "last": "Jones"}]]}}"#;
    let teams = r#"{"data": {"teams": [{"name": "a", "staff": [{"n": 1, "k": [1]}, {"n": 2, "k": [2]}]},
        {"name": "b", "staff": [{"n": 1, "k": [3, 4]}]}]}}"#;
    check(&[
        (
            r#"{"data": {"staff": {"first": ["Anna"]}}}"#,
            &[anna, nested],
            &["{}"],
        ),
        (
            r#"{"data": {"staff": {"first": ["Anna"], "last": ["Smith"]}}}"#,
            &[anna, nested],
            &[],
        ),
        (
            r#"{"data": {"staff": {"first": ["Anna"], "last": ["Jones"]}}}"#,
            &[],
            &[anna, nested],
        ),
        (
            r#"{"data": {"teams": {"name": ["b"], "staff": {"n": [1], "k": [4]}}}}"#,
            &[teams],
            &[],
        ),
        (
            r#"{"data": {"teams": {"name": ["a"], "staff": {"n": [1], "k": [4]}}}}"#,
            &[],
            &[teams],
        ),
        (
            r#"{"data": {"teams": {"name": ["a"], "staff": {"n": [1], "k": [2]}}}}"#,
            &[],
            &[teams],
        ),
        (
            r#"{"data": {"a": {"x": [1]}, "b": {"y": [2]}}}"#,
            &[r#"{"data": {"a": [{"x": 1}, {"x": 9}], "b": [{"y": 9}, {"y": 2}]}}"#],
            &[],
        ),
        // Also when alternatives bring the fields together.
        (
            r#"{"data": {"staff": {"first": ["Anna"]}}, "$or": [{"data": {"staff": {"last": ["Jones"]}}}, {"subject": ["s"]}]}"#,
            &[
                r#"{"subject": "s", "data": {"staff": [{"first": "Anna"}, {"last": "Jones"}]}}"#,
                r#"{"data": {"staff": [{"first": "Anna", "last": "Jones"}]}}"#,
            ],
            &[r#"{"data": {"staff": [{"first": "Anna"}, {"last": "Jones"}]}}"#],
        ),
        (
            r#"{"data": {"s": {"$or": [{"a": [1]}, {"b": [2]}], "c": [3]}}}"#,
            &[r#"{"data": {"s": [{"a": 1}, {"b": 2, "c": 3}]}}"#],
            &[r#"{"data": {"s": [{"a": 1, "b": 2}, {"c": 3}]}}"#],
        ),
    ]);
}

#[test]
fn absence_is_asked_of_the_element_that_the_other_fields_are_met_by() {
    check(&[
        (
            r#"{"data": {"a": {"b": [1], "c": [{"exists": false}]}}}"#,
            &[
                r#"{"data": {"a": [{"c": 1}, {"b": 1}]}}"#,
                r#"{"data": {"a": [{"b": 1, "c": 1}, {"b": 1}]}}"#,
            ],
            &[r#"{"data": {"a": [{"b": 1, "c": 1}, {"b": 2}]}}"#],
        ),
        (
            r#"{"data": {"a": {"c": [1], "b": [{"exists": false}]}}}"#,
            &[r#"{"data": {"a": [{"b": 1}, {"c": 1}]}}"#],
            &[],
        ),
        (
            r#"{"data": {"a": {"c": [{"exists": false}]}}}"#,
            &[r#"{"data": {"a": [{"b": 1}, {}]}}"#, "{}"],
            &[r#"{"data": {"a": [{"b": 1}, {"c": 1}]}}"#],
        ),
        (
            r#"{"data": {"a": {"c": [{"exists": false}, 5]}}}"#,
            &[r#"{"data": {"a": [{"c": 1}, {"c": 5}]}}"#],
            &[r#"{"data": {"a": [{"b": 1}, {"c": 1}]}}"#],
        ),
        (
            r#"{"data": {"a": {"$or": [{"b": [{"exists": false}]}, {"c": [{"exists": false}]}]}}}"#,
            &[r#"{"data": {"a": [{"b": 1}, {"b": 2}]}}"#],
            &[r#"{"data": {"a": [{"b": 1}, {"c": 1}]}}"#],
        ),
        (
            r#"{"data": {"a": {"b": [1], "d": {"e": [{"exists": false}]}}}}"#,
            &[r#"{"data": {"a": [{"b": 1, "d": [{"f": 1}]}, {"d": {"e": 1}}]}}"#],
            &[r#"{"data": {"a": [{"b": 1, "d": [{"f": 1}, {"e": 1}]}, {"d": {"f": 1}}]}}"#],
        ),
    ]);
}

#[test]
fn operators_are_combined_field_by_field() {
    check(&[(
        r#"{"time": [{"prefix": "2017-10-02"}], "data": {"state": [{"anything-but": "initializing"}],
            "c-count": [{"numeric": [">", 0, "<=", 5]}], "d-count": [{"numeric": ["<", 10]}],
            "x-limit": [{"anything-but": [100, 200, 300]}]}}"#,
        &[
            r#"{"time": "2017-10-02T16:24:49Z", "data": {"state": "running", "c-count": 5, "d-count": 3, "x-limit": 301.8}}"#,
        ],
        &[
            r#"{"time": "2017-10-02T16:24:49Z", "data": {"state": "running", "c-count": 6, "d-count": 3, "x-limit": 301.8}}"#,
            r#"{"time": "2017-10-02T16:24:49Z", "data": {"state": "running", "c-count": 5, "d-count": 3, "x-limit": 200}}"#,
            r#"{"time": "2017-10-02T16:24:49Z", "data": {"state": "running", "c-count": 5, "d-count": 3}}"#,
        ],
    )]);
}

#[test]
fn or_is_met_by_one_alternative_at_any_depth() {
    let or = r#"{"data": {"$or": [{"c-count": [{"numeric": [">", 0, "<=", 5]}]}, {"d-count": [{"numeric": ["<", 10]}]},
        {"x-limit": [{"numeric": ["=", 3.018e2]}]}]}}"#;
    let nested = r#"{"source": ["cw"], "$or": [{"subject": ["CPU", "Read"]},
        {"region": ["m"], "data": {"n": ["EC2", "ES"]}, "$or": [{"metric": [1234]}, {"space": [1000]}]}, {"scope": ["S"]}]}"#;
    check(&[
        (
            or,
            &[
                r#"{"data": {"c-count": 1, "d-count": 11}}"#,
                r#"{"data": {"d-count": 9}}"#,
                r#"{"data": {"c-count": 9, "x-limit": 301.80}}"#,
            ],
            &[
                r#"{"data": {"c-count": 6, "d-count": 10, "x-limit": 1}}"#,
                r#"{"data": {}}"#,
                "{}",
            ],
        ),
        (
            r#"{"$or": [{"region": ["New York"]}, {"day": ["Monday"]}]}"#,
            &[
                r#"{"region": "New York"}"#,
                r#"{"day": "Monday"}"#,
                r#"{"day": "Monday", "region": "x"}"#,
            ],
            &[r#"{"day": "New York"}"#],
        ),
        (
            nested,
            &[
                r#"{"source": "cw", "subject": "Read"}"#,
                r#"{"source": "cw", "scope": "S"}"#,
                r#"{"source": "cw", "region": "m", "data": {"n": "ES"}, "space": 1000}"#,
            ],
            &[
                r#"{"source": "cw", "region": "m", "data": {"n": "ES"}}"#,
                r#"{"source": "x", "subject": "CPU"}"#,
                r#"{"source": "cw", "region": "m", "metric": 1234}"#,
            ],
        ),
        (
            r#"{"$or": [{"region": ["a"]}, {"day": ["b"]}], "data": {"$or": [{"x": [1]}, {"y": [2]}]}}"#,
            &[
                r#"{"region": "a", "data": {"y": 2}}"#,
                r#"{"day": "b", "data": {"x": 1}}"#,
            ],
            &[
                r#"{"region": "a", "data": {"y": 1}}"#,
                r#"{"data": {"x": 1, "y": 2}}"#,
            ],
        ),
        (
            r#"{"data": {"$or": [{"x": [{"exists": false}]}, {"x": [{"anything-but": "a"}]}]}}"#,
            &["{}", r#"{"data": {"x": "b"}}"#],
            &[r#"{"data": {"x": "a"}}"#],
        ),
        // A field named like an operator is a field where it cannot be meant as a test.
        (
            r#"{"data": {"prefix": ["a"]}}"#,
            &[r#"{"data": {"prefix": "a"}}"#],
            &[r#"{"data": "a"}"#],
        ),
    ]);
}

#[test]
fn of_members_with_one_name_the_last_counts() {
    check_values(&[(r#"[1]"#, &[r#"2, "x": 1"#], &[r#"1, "x": 2"#])]);
}
