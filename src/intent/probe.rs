//! `readiness-probe`, `liveness-probe` and `startup-probe`.

use crate::intent::complaint::{Complaint, nearest, quote};
use crate::intent::{Handler, Probe, syntax};

/// The timings that can follow a handler, and the least that each may be.
const TIMINGS: [(&str, i64); 4] = [("period", 1), ("timeout", 1), ("failures", 1), ("delay", 0)];
const HANDLERS: &[&str] = &["exec", "grpc", "http", "https", "tcp", "none"];

/// `none`, or `http:8080/healthz;period=10;timeout=5`.
pub(crate) fn parse(text: &str) -> Result<Probe, Vec<Complaint>> {
    if text == "none" {
        return Ok(Probe::None);
    }
    syntax::not_none(text)?;
    let clauses = clauses(text)?;
    let mut bad = Vec::new();
    let handler = handler(clauses[0]).map_err(|complaint| bad.push(complaint)).ok();
    let mut values = [None; 4];
    for clause in &clauses[1..] {
        match timing(clause) {
            Ok((index, _)) if values[index].is_some() => {
                bad.push(Complaint::duplicate(format!("`{}` stands twice", TIMINGS[index].0)));
            }
            Ok((index, value)) => values[index] = Some(value),
            Err(complaint) => bad.push(complaint),
        }
    }
    let [period, timeout, failures, delay] = values;
    match handler {
        Some(handler) if bad.is_empty() => Ok(Probe::Check { handler, period, timeout, failures, delay }),
        _ => Err(bad),
    }
}

/// The parts between semicolons. Those in quotes belong to a command.
fn clauses(text: &str) -> Result<Vec<&str>, Complaint> {
    let (mut parts, mut start, mut open) = (Vec::new(), 0, None);
    let quoting = text.starts_with("exec");
    for (at, letter) in text.char_indices() {
        match (open, letter) {
            (None, '\'' | '"') if quoting => open = Some(letter),
            (Some(quote), _) if quote == letter => open = None,
            (None, ';') => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if let Some(mark) = open {
        let problem = format!("{} has a {mark} that is not closed", quote(text));
        return Err(Complaint::invalid(problem).remedy("close the quotation mark"));
    }
    parts.push(text[start..].trim());
    Ok(parts)
}

fn handler(clause: &str) -> Result<Handler, Complaint> {
    let (kind, rest) = clause.split_once(':').unwrap_or((clause, ""));
    let (kind, rest) = (kind.trim(), rest.trim());
    match kind {
        "exec" => command(rest),
        "grpc" => grpc(rest),
        "http" | "https" => http(rest, kind == "https"),
        "tcp" => Ok(Handler::Tcp(syntax::port_ref(rest)?)),
        _ => {
            let hint = nearest(kind, HANDLERS.iter().copied());
            Err(Complaint::invalid(format!("{} is no kind of probe", quote(kind)))
                .maybe(hint.map(|hint| format!("did you mean `{hint}`?"))))
        }
    }
}

/// Words apart by blanks; quotation marks keep a word together.
fn command(text: &str) -> Result<Handler, Complaint> {
    let (mut words, mut word, mut open) = (Vec::new(), None::<String>, None);
    for letter in text.chars() {
        match (open, letter) {
            (None, '\'' | '"') => {
                open = Some(letter);
                word.get_or_insert_default();
            }
            (Some(quote), _) if quote == letter => open = None,
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    if words.first().is_none_or(String::is_empty) {
        return Err(Complaint::invalid("`exec:` names no command").remedy("write `exec:` and the command"));
    }
    Ok(Handler::Exec(words))
}

fn grpc(text: &str) -> Result<Handler, Complaint> {
    let (port, service) = match text.split_once('/') {
        Some((port, service)) => (port, Some(service)),
        None => (text, None),
    };
    if service.is_some_and(|service| service.is_empty() || service.contains(char::is_whitespace)) {
        return Err(Complaint::invalid(format!("{} names no service behind the slash", quote(text))));
    }
    Ok(Handler::Grpc(syntax::port_number(port.trim())?, service.map(str::to_owned)))
}

fn http(text: &str, tls: bool) -> Result<Handler, Complaint> {
    if text.starts_with("//") {
        return Err(Complaint::invalid(format!("{} is a URL", quote(text)))
            .remedy("write the container's port and the path, for example `http:8080/healthz`"));
    }
    let (port, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    if path.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(Complaint::invalid(format!("the path {} has blanks", quote(path))));
    }
    Ok(Handler::Http {
        port: syntax::port_ref(port.trim())?,
        path: if path.is_empty() { "/" } else { path }.to_owned(),
        tls,
    })
}

fn timing(clause: &str) -> Result<(usize, i64), Complaint> {
    let (name, value) = clause.split_once('=').unwrap_or((clause, ""));
    let (name, value) = (name.trim(), value.trim());
    let Some(index) = TIMINGS.iter().position(|(known, _)| *known == name) else {
        let hint = nearest(name, TIMINGS.map(|(known, _)| known));
        return Err(Complaint::invalid(format!("{} is no timing", quote(clause))).remedy(hint.map_or_else(
            || {
                "write period, timeout, failures or delay; put a command with `;` in quotation marks"
                    .to_owned()
            },
            |hint| format!("did you mean `{hint}`?"),
        )));
    };
    let least = TIMINGS[index].1;
    // The API keeps these as 32 bits.
    match value.parse::<i32>().map(i64::from) {
        Ok(value) if value >= least => Ok((index, value)),
        _ => Err(Complaint::invalid(format!("{} is no number from {least} up", quote(clause)))
            .remedy(format!("write a whole number, for example `{name}=10`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::PortRef;
    use crate::intent::testing::{bad, good};

    fn handler_of(text: &str) -> Handler {
        match parse(text).unwrap() {
            Probe::Check { handler, .. } => handler,
            Probe::None => panic!("{text} is none"),
        }
    }

    fn words(text: &str) -> Vec<String> {
        match handler_of(text) {
            Handler::Exec(words) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn handlers() {
        assert_eq!(parse("none").unwrap(), Probe::None);
        assert_eq!(handler_of("tcp:5432"), Handler::Tcp(PortRef::Number(5432)));
        assert_eq!(handler_of("grpc:9090"), Handler::Grpc(9090, None));
        assert_eq!(handler_of("grpc: 9090/a.B"), Handler::Grpc(9090, Some("a.B".to_owned())));
        let http = |port, path: &str, tls| Handler::Http { port, path: path.to_owned(), tls };
        assert_eq!(
            handler_of("http:8080/healthz?full=1"),
            http(PortRef::Number(8080), "/healthz?full=1", false)
        );
        assert_eq!(handler_of("https: web"), http(PortRef::Name("web".to_owned()), "/", true));
    }

    #[test]
    fn commands_keep_what_is_in_quotation_marks() {
        assert_eq!(words("exec:pg_isready  -h 127.0.0.1"), ["pg_isready", "-h", "127.0.0.1"]);
        assert_eq!(words(r#"exec:sh -c 'a; b "c"'"#), ["sh", "-c", "a; b \"c\""]);
        assert_eq!(words(r#"exec:a "" b"c d""#), ["a", "", "bc d"]);
    }

    #[test]
    fn timings() {
        assert_eq!(
            parse("tcp:1 ; period=10;timeout = 5;failures=3; delay=0").unwrap(),
            Probe::Check {
                handler: Handler::Tcp(PortRef::Number(1)),
                period: Some(10),
                timeout: Some(5),
                failures: Some(3),
                delay: Some(0),
            }
        );
        good(
            "startup-probe",
            &[
                "none",
                "tcp:a;period=1",
                "http:80",
                "https:web/x;delay=3",
                "grpc:1/s ; failures = 9",
                "exec:sh -c 'a; b';period=5",
            ],
        );
    }

    #[test]
    fn refused() {
        const WRITE: &str = "write `none` or one of tcp:PORT, http:PORT/PATH, https:PORT/PATH, grpc:PORT[/SERVICE], \
                             exec:COMMAND, then optionally `;period=`, `;timeout=`, `;delay=` (seconds) and \
                             `;failures=`, for example `exec:pg_isready;period=10`";
        bad(
            "liveness-probe",
            &[
                ("None", "\"None\" is misspelt; write `none`"),
                ("htpp:80/x", "\"htpp\" is no kind of probe; did you mean `http`?"),
                ("8080", &format!("\"8080\" is no kind of probe; {WRITE}")),
                ("tcp:0", &format!("\"0\" is no port number from 1 to 65535; {WRITE}")),
                (
                    "http://localhost:80/",
                    "\"//localhost:80/\" is a URL; write the container's port and the path, for example \
                     `http:8080/healthz`",
                ),
                ("exec:", "`exec:` names no command; write `exec:` and the command"),
                ("exec:sh -c 'a", "\"exec:sh -c 'a\" has a ' that is not closed; close the quotation mark"),
                (
                    "exec:a; b",
                    "\"b\" is no timing; write period, timeout, failures or delay; put a command with `;` in \
                     quotation marks",
                ),
                ("tcp:1;perid=3", "\"perid=3\" is no timing; did you mean `period`?"),
                (
                    "tcp:1;period=10s",
                    "\"period=10s\" is no number from 1 up; write a whole number, for example `period=10`",
                ),
                ("tcp:1;period=1;period=2", "`period` stands twice; write it once"),
                ("grpc:1/", &format!("\"1/\" names no service behind the slash; {WRITE}")),
            ],
        );
    }

    #[test]
    fn all_faults_at_once() {
        assert_eq!(parse("tcp:0;period=x;delay=-1").unwrap_err().len(), 3);
    }
}
