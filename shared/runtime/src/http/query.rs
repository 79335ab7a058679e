//! The query of a request: names and values.

use percent_encoding::percent_decode_str;

use super::{FieldError, Problem, Request};

/// The parameters of the query, in the order sent, decoded as HTML forms and every URL library write them:
/// percent-encoded UTF-8, in which `+` is a space. What is not is told by its name.
///
/// They are read from the query as it was sent, since the gateway's own map joins what is given twice
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).
pub fn query_parameters(request: &Request) -> Result<Vec<(String, String)>, Problem> {
    let query = request.raw_query_string.as_deref().unwrap_or_default();
    let mut parameters = vec![];
    let mut errors = vec![];
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (decode(name), decode(value)) {
            (Some(name), Some(value)) => parameters.push((name, value)),
            _ => errors.push(FieldError {
                field: name.to_owned(),
                detail: "must be percent-encoded UTF-8".to_owned(),
            }),
        }
    }
    if errors.is_empty() {
        Ok(parameters)
    } else {
        Err(Problem::invalid(errors))
    }
}

fn decode(text: &str) -> Option<String> {
    let mut escapes = text.split('%').skip(1).map(str::as_bytes);
    let is_whole = escapes.all(|after| {
        let digits = after.get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().ok()?;
    is_whole.then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Vec<(String, String)>, Problem> {
        let mut request = Request::default();
        request.raw_query_string = Some(query.to_owned());
        query_parameters(&request)
    }

    #[test]
    fn names_and_values_are_decoded_once() {
        let read = read("a=1%2B2&b=x+y%20z&c&%C3%A4=%2525&a==&&").unwrap();
        let read: Vec<(&str, &str)> = read
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let expected = [
            ("a", "1+2"),
            ("b", "x y z"),
            ("c", ""),
            ("ä", "%25"),
            ("a", "="),
        ];
        assert_eq!(read, expected);
        assert_eq!(self::read(""), Ok(vec![]));
    }

    #[test]
    fn what_is_not_encoded_is_told_by_its_name() {
        for query in ["a=%", "a=%2", "a=%zz", "a=%ff", "a=%C3", "a=1%+2"] {
            let problem = read(query).unwrap_err();
            let told = serde_json::to_value(problem).unwrap();
            assert_eq!(
                (&told["status"], &told["errors"][0]["field"]),
                (&400.into(), &"a".into())
            );
        }
    }
}
