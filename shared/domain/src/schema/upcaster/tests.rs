use super::*;

fn upcast(filter: &str, data: &str) -> Result<String, UpcasterFailure> {
    match Upcaster::compile(filter).unwrap().run(data) {
        Ok(output) => Ok(output),
        Err(RunError::Failed(failure)) => Err(failure),
        Err(error) => panic!("{error}"),
    }
}

fn refused(filter: &str) -> InvalidUpcaster {
    match Upcaster::compile(filter) {
        Ok(_) => panic!("{filter} compiles"),
        Err(error) => error,
    }
}

#[test]
fn data_are_rearranged_as_the_filter_says() {
    let cases = [
        (
            ".",
            r#"{"b":1,"a":[null,true]}"#,
            r#"{"b":1,"a":[null,true]}"#,
        ),
        (
            "{name: (.first + \" \" + .last)}",
            r#"{"first":"A","last":"B"}"#,
            r#"{"name":"A B"}"#,
        ),
        (
            ".total = (.cents / 100) | del(.cents)",
            r#"{"cents":1250}"#,
            r#"{"total":12.5}"#,
        ),
        (
            ".lines |= map(.price |= tostring)",
            r#"{"lines":[{"price":1},{"price":2.50}]}"#,
            r#"{"lines":[{"price":"1"},{"price":"2.50"}]}"#,
        ),
        (
            ".lines[].sku |= ascii_downcase",
            r#"{"lines":[{"sku":"AB"}]}"#,
            r#"{"lines":[{"sku":"ab"}]}"#,
        ),
        (
            "with_entries(.key |= \"x_\" + .)",
            r#"{"a":1}"#,
            r#"{"x_a":1}"#,
        ),
        (
            ".tags |= (split(\",\") | map(trim))",
            r#"{"tags":"a, b"}"#,
            r#"{"tags":["a","b"]}"#,
        ),
        (".a // \"none\"", "{}", r#""none""#),
        (
            "if .v == null then .v = 1 else . end",
            r#"{}"#,
            r#"{"v":1}"#,
        ),
        ("[.[] | select(. > 1)] | sort | reverse", "[1,3,2]", "[3,2]"),
        (
            "group_by(.k) | map({(.[0].k): map(.v) | add}) | add",
            r#"[{"k":"a","v":1},{"k":"b","v":2},{"k":"a","v":3}]"#,
            r#"{"a":4,"b":2}"#,
        ),
        (
            ".at |= todate",
            r#"{"at":0}"#,
            r#"{"at":"1970-01-01T00:00:00Z"}"#,
        ),
        (
            ".at |= fromdate",
            r#"{"at":"1970-01-01T01:00:01+01:00"}"#,
            r#"{"at":1}"#,
        ),
        (
            "@base64, @base64d? | select(length == 4)",
            r#""abc""#,
            r#""YWJj""#,
        ),
        ("[paths]", r#"{"a":[1]}"#, r#"[["a"],["a",0]]"#),
        (
            "walk(if type == \"string\" then length else . end)",
            r#"{"a":["xy"]}"#,
            r#"{"a":[2]}"#,
        ),
        (
            "[.[1:], .[-1], (.[0] as [$a] | $a)]",
            "[[1],2,3]",
            "[[2,3],3,1]",
        ),
        (
            "[has(\"a\"), (.a | index(\"b\")), (.a | contains([\"c\"]))]",
            r#"{"a":["b","c"]}"#,
            "[true,0,true]",
        ),
        ("def f: . * 2; map(f) | add", "[1,2]", "6"),
        ("try error(\"x\") catch .", "null", r#""x""#),
        ("[limit(3; repeat(1))] | length", "null", "3"),
        ("reduce range(5) as $i (0; . + $i)", "null", "10"),
        (
            "fromjson | tojson",
            r#""{\"a\":1.50}""#,
            r#""{\"a\":1.50}""#,
        ),
        ("[.[] | tonumber]", r#"["1","2.5"]"#, "[1,2.5]"),
        ("@uri", r#""a b/ä""#, r#""a%20b%2F%C3%A4""#),
        (
            ". * {a: {c: 2}}",
            r#"{"a":{"b":1}}"#,
            r#"{"a":{"b":1,"c":2}}"#,
        ),
        ("[recurse | scalars]", r#"{"a":[1,{"b":2}]}"#, "[1,2]"),
        ("to_entries | from_entries", r#"{"a":1}"#, r#"{"a":1}"#),
    ];
    for (filter, data, expected) in cases {
        assert_eq!(upcast(filter, data).as_deref(), Ok(expected), "{filter}");
    }
}

#[test]
fn numbers_that_are_passed_on_keep_every_digit() {
    for number in [
        "9007199254740993",
        "-170141183460469231731687303715884105728",
        "12.50",
        "1e3",
        "0.1",
    ] {
        let data = format!(r#"{{"n":{number},"old":1}}"#);
        let expected = format!(r#"{{"n":{number}}}"#);
        assert_eq!(upcast("del(.old)", &data), Ok(expected));
        assert_eq!(upcast("{n}", &data), Ok(format!(r#"{{"n":{number}}}"#)));
    }
    assert_eq!(
        upcast(". + 1", "9007199254740993").as_deref(),
        Ok("9007199254740994")
    );
    assert_eq!(upcast(". * 2", "12.50").as_deref(), Ok("25.0"));
    assert_eq!(upcast("0.10 + 0", "null").as_deref(), Ok("0.1"));
}

#[test]
fn one_json_value_has_to_come_out() {
    use UpcasterFailure::{Error, NoOutput, NotJson, SeveralOutputs};
    assert_eq!(upcast("empty", "1"), Err(NoOutput));
    assert_eq!(upcast(".[]", "[1,2]"), Err(SeveralOutputs));
    assert_eq!(upcast(".[]", "[1]").as_deref(), Ok("1"));
    for (filter, data) in [
        ("error", r#""no""#),
        (".a.b", r#"{"a":1}"#),
        ("{(1): 2}", "1"),
        (". + {}", "1"),
    ] {
        assert!(matches!(upcast(filter, data), Err(Error(_))), "{filter}");
    }
    for filter in ["nan", "infinite", "[1, -infinite]", "1e999"] {
        assert!(matches!(upcast(filter, "1"), Err(NotJson(_))), "{filter}");
    }
    let long = upcast("error", &format!("\"{}\"", "x".repeat(1_000))).unwrap_err();
    assert!(long.to_string().chars().count() < 300, "{long}");
}

#[test]
fn nothing_but_the_input_can_be_asked_for() {
    for filter in [
        "env",
        "$ENV",
        "$ENV.HOME",
        "now",
        "input",
        "inputs",
        "debug",
        "stderr",
        "halt",
        "halt_error",
        "halt(1)",
        "$__prog_args",
        "$__loc__",
        "input_filename",
        "localtime",
        "get_search_list",
        "test(\"a\")",
        "include \"a\"; .",
        "import \"a\" as a; .",
        "import \"a\" as $a; .",
        "limit",
        "modulemeta",
    ] {
        assert!(
            matches!(refused(filter), InvalidUpcaster::Malformed { .. }),
            "{filter}"
        );
    }
}

#[test]
fn what_does_not_compile_is_told_with_its_place() {
    let cases = [
        (".a |", 1, 5),
        (".a\n| foo(.b)", 2, 3),
        ("[.a", 1, 4),
        ("", 1, 1),
        (".a | .b c", 1, 9),
    ];
    for (filter, line, column) in cases {
        let InvalidUpcaster::Malformed {
            problem,
            line: l,
            column: c,
        } = refused(filter)
        else {
            panic!("{filter}");
        };
        assert_eq!((l, c), (line, column), "{filter}: {problem}");
    }
    let told = refused("foo").to_string();
    assert!(
        told.contains("there is no filter foo here at line 1, column 1"),
        "{told}"
    );
}

#[test]
fn a_filter_of_the_greatest_length_is_compiled_and_one_byte_more_is_not() {
    let filter = format!("\"{}\"", "x".repeat(MAX_UPCASTER_BYTES - 2));
    assert!(Upcaster::compile(&filter).is_ok());
    assert_eq!(
        refused(&format!("{filter} ")),
        InvalidUpcaster::TooLong(MAX_UPCASTER_BYTES + 1)
    );
}

#[test]
fn a_filter_that_is_nested_as_deep_as_its_length_allows_is_compiled_or_refused() {
    for (open, close) in [
        ("[", "]"),
        ("(", ")"),
        ("{a:", "}"),
        ("-", ""),
        ("try ", ""),
        ("if . then ", " end"),
        ("def f: ", "; f"),
        (".[", "]"),
        ("\"\\(", ")\""),
        ("reduce . as $x (", ";.)"),
        ("1 as $x | ", ""),
        ("label $x | ", ""),
        (".|", ""),
        (".,", ""),
        ("1+", ""),
        (".a//", ""),
        ("first(", ")"),
        (". as [$x] | ", ""),
        ("1 as [", "] | 1"),
    ] {
        let nested = |times| format!("{}.{}", open.repeat(times), close.repeat(times));
        let longest = (MAX_UPCASTER_BYTES - 1) / (open.len() + close.len());
        let words = count(&Lexer::new(&nested(1)).lex().unwrap()) - 1;
        for times in [longest, (MAX_TOKENS - 1) / words] {
            let Ok(upcaster) = Upcaster::compile(&nested(times.min(longest))) else {
                continue;
            };
            if let Err(error) = upcaster.run("1") {
                assert!(matches!(error, RunError::Failed(_)), "{open}: {error}");
            }
        }
    }
}

#[test]
fn what_would_not_end_is_ended() {
    use UpcasterFailure::{TooDeep, TooManyDigits, TooMuchWork, TooNested};
    let endless = [
        "last(range(1e12))",
        "[range(1e12)]",
        "[limit(1e9; repeat(1))]",
        "repeat(empty)",
        "[repeat(.)]",
        "last(repeat(.))",
        "def f: f; f",
        "def f: (f, f); f",
        "until(false; .)",
        "[.[] | while(true; .)]",
        "reduce range(1e9) as $i (\"x\"; . + .)",
        "reduce repeat(1) as $x (0; . + 1)",
        "\"x\" * 1000000000",
        "[limit(100000; repeat(\"x\" * 1000))] | add",
        "reduce range(60) as $i ([0]; . + .)",
        "reduce range(1e9) as $i ({}; .[$i | tostring] = 1)",
        "[range(3000)] | [combinations(2)]",
        "isempty(repeat(empty))",
        "def f($n): if $n > 0 then f($n - 1), f($n - 1) else . end; [f(60)]",
        "[range(20000)] as $x | [limit(20000; repeat($x))] | sort",
        "[range(20000)] as $x | reduce range(20000) as $i (0; if $x == $x then . + 1 else . end)",
        "[range(50000)] as $x | [$x | .[] as $y | $x]",
        "reduce range(1e6) as $i ([]; [.[]])",
        "[range(20000)] - [range(20000)]",
        "[limit(20000; repeat({a: 1}))] | unique",
        "[path(repeat(.))]",
        "[paths(repeat(true))]",
        "label $out | [repeat(.)]",
        "limit(1e12; repeat(empty))",
        "skip(1e12; repeat(1))",
        "try repeat(empty) catch .",
        "(\"x\" * 50000) as $s | [limit(1e6; repeat($s + \"y\"))] | length",
        "def f(g): f(g | .); f(.)",
        "(\"ab\" * 20000) | [indices(\"ab\" * 2000)]",
        "[range(30000)] | contains([range(30000)])",
    ];
    for filter in endless {
        let ended = upcast(filter, "[1]");
        assert!(
            matches!(ended, Err(TooMuchWork)),
            "{filter}: {:?}",
            ended.map(|o| o.len())
        );
    }
    for filter in [
        "def f: 1 + f; f",
        "def f: [f]; f",
        "def f: f | f; f",
        "[recurse(.)]",
        "def f: f as $x | $x; f",
        "def f: try f catch .; f",
        "def f: (.a |= f); {} | f",
    ] {
        let ended = upcast(filter, "[1]");
        assert!(
            matches!(ended, Err(TooDeep | TooMuchWork | TooNested)),
            "{filter}: {ended:?}"
        );
    }
    assert_eq!(
        upcast("reduce range(1000) as $i (null; [.])", "1"),
        Err(TooNested)
    );
    assert_eq!(
        upcast("reduce range(1000) as $i (null; {a: .})", "1"),
        Err(TooNested)
    );
    assert_eq!(
        upcast("reduce range(1000) as $i ([]; .[0:0] = [[.]])", "1"),
        Err(TooNested)
    );
    let deep = upcast("setpath([range(1000) | \"a\"]; 1)", "null");
    assert!(matches!(deep, Err(TooNested | TooDeep)), "{deep:?}");
    assert!(upcast("(\"[\" * 200 + \"]\" * 200) | fromjson", "null").is_err());
    assert_eq!(
        upcast("reduce range(20) as $i (10; . * .)", "1"),
        Err(TooManyDigits)
    );
    assert_eq!(
        upcast("(\"1\" * 100000) | tonumber", "1"),
        Err(TooManyDigits)
    );
}

#[test]
fn a_filter_that_nests_closures_as_deep_as_its_budget_allows_is_dropped() {
    let filter = "def f(g; $n): if $n == 0 then 1 else f(g | .; $n - 1) end; f(.; 1000000)";
    assert_eq!(upcast(filter, "1"), Err(UpcasterFailure::TooMuchWork));
    let large = format!("\"{}\"", "x".repeat(999_000));
    assert_eq!(upcast(filter, &large), Err(UpcasterFailure::TooMuchWork));
    assert_eq!(
        upcast("def f(g): f(g | .); f(.)", &large),
        Err(UpcasterFailure::TooMuchWork)
    );
}

#[test]
fn data_of_the_largest_size_can_be_rearranged() {
    let lines: Vec<String> = (0..30_000)
        .map(|n| format!(r#"{{"sku":"{n}","price":1.50}}"#))
        .collect();
    let data = format!(r#"{{"lines":[{}]}}"#, lines.join(","));
    let out = upcast(".lines |= map(.cents = .price * 100 | del(.price))", &data).unwrap();
    assert!(out.contains(r#"{"sku":"29999","cents":150.0}"#));
    assert!(
        upcast(
            ".lines | map(select(.price > 1)) | sort_by(.sku) | length",
            &data
        )
        .is_ok()
    );
}

#[test]
fn a_filter_of_the_most_words_is_compiled_and_one_more_is_not() {
    let words = |count: usize| format!(".{}", "|.".repeat(count / 2));
    assert!(Upcaster::compile(&words(MAX_TOKENS - 1)).is_ok());
    assert_eq!(
        refused(&words(MAX_TOKENS)),
        InvalidUpcaster::TooManyTokens(MAX_TOKENS + 1)
    );
}
