//! A peer for `connect-core conformance run --stdio`: fill in the four functions.
//!
//! Each of them takes a request, and returns the outcome and the further members of its answer, as
//! JSON. "The line protocol" in the Connection specification says what both have.
use std::{collections::HashMap, io::BufRead, panic::catch_unwind, panic::AssertUnwindSafe};

type Request = HashMap<String, Vec<String>>; // unescaped: the values of an array, or a single one
type Connections = HashMap<String, ()>; // yours, by id

/// Create a Connection to `destination` or from the document `body`; if ok: `connection`.
/// `source`, `name`, `scopes` and `allow_self` may be given, too, unless there is a `body`.
fn create(_all: &mut Connections, _request: &Request) -> String { outcome("unsupported") }

/// Take the `action` on the `connection`; `expected_version` may be given.
fn act(_all: &mut Connections, _request: &Request) -> String { outcome("not-found") }

/// Say whether `by` may read data of the `scope` through the `connection` now.
fn share(_all: &Connections, _request: &Request) -> String { outcome("not-found") }

/// Show the `connection` to `by`; if ok: `state`, an object.
fn read(_all: &Connections, _request: &Request) -> String { outcome("not-found") }

/// The outcome as JSON. Append the further members: `, "connection": "cxn_1"`.
fn outcome(name: &str) -> String { format!("\"outcome\": \"{name}\"") }

#[allow(dead_code)] // Until you have it write text as JSON: an escape for each unit of UTF-16.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>())
}

/// Answer each request. A failure is an answer, too, and the next request is read.
fn main() {
    let mut all = Connections::new();
    for line in std::io::stdin().lock().split(b'\n').map_while(Result::ok) {
        let mut id = "null".to_string(); // until it is known
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let request = parsed(std::str::from_utf8(&line).unwrap());
            id = request["id"][0].parse::<u64>().unwrap().to_string();
            match &request["verb"][0][..] {
                "create" => create(&mut all, &request),
                "act" => act(&mut all, &request),
                "share" => share(&all, &request),
                "read" => read(&all, &request),
                "close" => { all.clear(); outcome("ok") }
                _ => outcome("unsupported"),
            }
        })).unwrap_or_else(|_| "\"error\": \"a panic: see standard error\"".into());
        println!("{{\"protocol\": 1, \"id\": {id}, {answer}}}"); // which flushes each line
    }
}

/// The members of an object that has none in it. Whatever is no such JSON panics.
fn parsed(json: &str) -> Request {
    let short = [r"\\5c", "\\\"22", r"\/2f", r"\b08", r"\f0c", r"\n0a", r"\r0d", r"\t09"];
    let longer = |json: String, it: &&str| json.replace(&it[..2], &format!("\\u00{}", &it[2..]));
    let json = short.iter().fold(json.trim_end().to_string(), longer);
    let parts: Vec<&str> = json.split('"').collect(); // marks, text, marks ... text, marks
    assert!(parts[0].trim() == "{" && parts.len() % 2 == 1 && json.ends_with('}'), "no object");
    let (mut request, mut values) = (Request::new(), &mut vec![]);
    for pair in parts[1..].chunks(2) {
        assert!(!pair[0].contains(|c| c < ' ') && !pair[0].contains(r"\u+"));
        let (mut units, marks) = (vec![], pair[1].replace([' ', '\t', '\r'], ""));
        for part in format!("u0000{}", pair[0]).split('\\') {
            units.push(u16::from_str_radix(part[..5].strip_prefix('u').unwrap(), 16).unwrap());
            units.extend(part[5..].encode_utf16());
        }
        let text = String::from_utf16(&units[1..]).unwrap();
        if let Some(rest) = marks.strip_prefix(':') {
            values = request.entry(text).or_default();
            let word = match rest { "" | "[" => "[]", _ => rest.strip_suffix([',', '}']).unwrap() };
            assert!(["[]", "true", "false"].contains(&word) || word.parse::<u128>().is_ok());
            values.extend((word != "[]").then(|| word.to_string())); // if a text follows: nothing
        } else {
            assert!([",", "],", "}", "]}"].contains(&&marks[..]));
            values.push(text);
        }
    }
    request
}
