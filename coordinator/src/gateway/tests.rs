use pierhead_wire::envelope::{AnswerReader, Outcome, Record, RequestId, Retry, Status};
use pierhead_wire::pg::startup::Mode;

use super::props::Value;
use super::*;

/// What the Worker's variables are in these tests.
struct Set(Vec<(&'static str, &'static str)>);

impl Variables for Set {
    fn get(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(set, _)| *set == name);
        found.map(|(_, value)| (*value).to_owned())
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| (*name).to_owned()).collect()
    }
}

fn variables() -> Set {
    Set(vec![
        ("PIERHEAD_DB_MAIN", "postgres://app@db/shop?location=weur&jurisdiction=eu"),
        ("PIERHEAD_DB_MAIN_PASSWORD", "hush-hush"),
        ("PIERHEAD_DB_MAIN_READER", "postgres://app_ro@db/shop"),
        ("PIERHEAD_DB_ORDERS", "postgres://app@db/orders"),
        ("PIERHEAD_DB_BROKEN", "postgres://app@db/x?pool_size=0"),
        ("OTHER", "x"),
    ])
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn list(names: &[&str]) -> Value {
    Value::List(names.iter().map(|name| text(name)).collect())
}

fn props(fields: &[(&str, Value)]) -> Props {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let Ok(props) = Props::read(fields.collect()) else { panic!("props") };
    props
}

fn start(parameters: &[(&str, &str)]) -> Vec<u8> {
    write_start(0, parameters.iter().copied()).to_vec()
}

fn verdict(props: Props, variables: &Set, bytes: &[u8]) -> Verdict {
    Gateway { props, variables }.verdict(bytes, 0)
}

fn refusal(verdict: Verdict) -> (String, String) {
    let Verdict::Refused(refusal) = verdict else { panic!("{verdict:?}") };
    let outcome = outcome(&refusal);
    (outcome.sqlstate.as_str().to_owned(), format!("{}; {}", outcome.message, outcome.hint))
}

/// What a caller over RPC is told.
fn outcome(refusal: &Refusal) -> Outcome {
    let mut reader = AnswerReader::new();
    reader.push(refusal.answer());
    let Ok(Some(Record::Outcome(outcome))) = reader.next() else { panic!("an outcome") };
    assert_eq!(reader.finish(), Ok(()));
    outcome
}

/// What the object is told, packet by packet.
fn told(head: &[u8]) -> (TermsPacket<'_>, Vec<(&str, &str)>) {
    let Ok(Some((StartUp::Terms(terms), used))) = StartUp::read(head) else { panic!("terms") };
    let rest = head.get(used..).unwrap_or_default();
    let Ok(Some((StartUp::Start { parameters, .. }, end))) = StartUp::read(rest) else {
        panic!("a start")
    };
    assert_eq!(end, rest.len());
    (terms, parameters)
}

const HELLO: [(&str, &str); 3] =
    [("user", "app"), ("database", "main"), ("application_name", "psql")];

#[test]
fn a_binding_without_props_uses_any_database_by_its_name() {
    let variables = variables();
    let bytes = [start(&HELLO), b"more".to_vec()].concat();
    let Verdict::Session { used, home, head } = verdict(Props::default(), &variables, &bytes)
    else {
        panic!("a session")
    };
    assert_eq!(used, bytes.len() - 4);
    assert_eq!(home.name, "main");
    assert_eq!(home.location, Location::from_name("weur"));
    assert_eq!(home.jurisdiction, Jurisdiction::from_name("eu"));
    assert_eq!(told(&head), (TermsPacket::default(), HELLO.to_vec()));
    for end in 0..used {
        let cut = verdict(Props::default(), &variables, &bytes[..end]);
        assert_eq!(cut, Verdict::More, "cut at {end}");
    }
}

#[test]
fn what_the_props_say_goes_ahead_of_the_client() {
    let variables = variables();
    let props = props(&[
        ("databases", list(&["main"])),
        ("role", text("reader")),
        ("mode", text("session")),
        ("caller", text("checkout")),
    ]);
    let Verdict::Session { home, head, .. } = verdict(props, &variables, &start(&HELLO)) else {
        panic!("a session")
    };
    assert_eq!((home.name.as_str(), home.location), ("main_reader", None));
    let (terms, parameters) = told(&head);
    let expected = TermsPacket { caller: Some("checkout"), mode: Some(Mode::Session) };
    assert_eq!(terms, expected);
    let named = [("user", "app"), ("database", "main_reader"), ("application_name", "psql")];
    assert_eq!(parameters, named);
}

#[test]
fn a_binding_for_one_database_has_no_other() {
    let variables = variables();
    let only = || props(&[("databases", list(&["main", "broken"]))]);
    for other in ["orders", "nothing", "main_reader", "", "MAIN", "main "] {
        let bytes = start(&[("user", "orders"), ("database", other)]);
        let (code, says) = refusal(verdict(only(), &variables, &bytes));
        assert_eq!(code, "28000", "{other}: {says}");
        assert!(says.contains("it may use main, broken"), "{says}");
    }
    let reader = props(&[("databases", list(&["orders"])), ("role", text("reader"))]);
    let bytes = start(&[("user", "app"), ("database", "orders")]);
    let (code, says) = refusal(verdict(reader, &variables, &bytes));
    assert_eq!(code, "3D000");
    assert!(says.contains("set PIERHEAD_DB_ORDERS_READER at the Worker"), "{says}");
    let none = props(&[("databases", list(&[]))]);
    assert_eq!(refusal(verdict(none, &variables, &start(&HELLO))).0, "28000");
}

#[test]
fn a_database_that_is_not_configured_or_wrongly_is_refused_with_the_fix() {
    let variables = variables();
    let refused = |name| {
        let bytes = start(&[("user", "app"), ("database", name)]);
        refusal(verdict(Props::default(), &variables, &bytes))
    };
    for (name, code, says) in [
        ("stock", "3D000", "set PIERHEAD_DB_STOCK at the Worker"),
        ("main_password", "3D000", "called as its variable"),
        ("Main", "3D000", "called as its variable"),
        ("main host=evil", "3D000", "called as its variable"),
        ("../main", "3D000", "called as its variable"),
        ("broken", "F0000", "PIERHEAD_DB_BROKEN: pool_size"),
    ] {
        let (found, text) = refused(name);
        assert!(found == code && text.contains(says), "{name}: {found} {text}");
        assert!(!text.contains("hush"), "{text}");
    }
}

#[test]
fn where_props_are_required_a_binding_without_is_refused() {
    let mut variables = variables();
    variables.0.push(("PIERHEAD_GATEWAY_PROPS", "required"));
    let (code, says) = refusal(verdict(Props::default(), &variables, &start(&HELLO)));
    assert!(code == "28000" && says.contains("props = { databases ="), "{says}");
    let cancel = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2];
    assert!(matches!(verdict(Props::default(), &variables, &cancel), Verdict::Refused(_)));
    let named = props(&[("databases", list(&["main"]))]);
    assert!(matches!(verdict(named.clone(), &variables, &start(&HELLO)), Verdict::Session { .. }));
    for (value, allowed) in [("optional", true), ("yes", false), ("", false)] {
        variables.0.pop();
        variables.0.push(("PIERHEAD_GATEWAY_PROPS", value));
        let verdict = verdict(Props::default(), &variables, &start(&HELLO));
        assert_eq!(matches!(verdict, Verdict::Session { .. }), allowed, "{value:?}");
    }
}

#[test]
fn props_that_are_not_understood_forbid_everything() {
    for (name, value) in [
        ("database", text("main")),
        ("databases", text("main")),
        ("databases", Value::List(vec![Value::Other])),
        ("role", Value::Other),
        ("mode", text("statement")),
        ("caller", text("")),
        ("caller", text(&"a".repeat(65))),
    ] {
        let Err(refusal) = Props::read(vec![(name.to_owned(), value)]) else { panic!("{name}") };
        assert_eq!(refusal.code, b"F0000");
        assert!(refusal.message.contains(&format!("props.{name}")), "{}", refusal.message);
    }
    assert_eq!(props(&[("role", Value::Absent)]), Props::default());
}

#[test]
fn names_that_could_be_read_in_two_ways_are_refused() {
    let variables = variables();
    for parameters in [
        &[("user", "app"), ("database", "main"), ("database", "orders")][..],
        &[("user", "app"), ("user", "root"), ("database", "main")],
        &[("user", "app"), ("database", "main"), ("host", "evil.example")],
        &[("user", "app"), ("database", "main"), ("DATABASE", "orders")],
    ] {
        let verdict = verdict(Props::default(), &variables, &start(parameters));
        assert_eq!(refusal(verdict).0, "08P01", "{parameters:?}");
    }
    let nobody = verdict(Props::default(), &variables, &start(&[("database", "main")]));
    assert_eq!(refusal(nobody).0, "28000");
}

#[test]
fn a_client_does_not_say_on_whose_terms_it_comes() {
    let terms = TermsPacket { caller: Some("admin"), mode: Some(Mode::Session) }.encode();
    let (code, says) = refusal(verdict(Props::default(), &variables(), &terms));
    assert!(code == "28000" && says.contains("terms"), "{says}");
}

#[test]
fn encryption_is_denied_and_not_for_ever() {
    let variables = variables();
    let gateway = Gateway { props: Props::default(), variables: &variables };
    let ssl = [0, 0, 0, 8, 4, 210, 22, 47];
    let bytes = [&ssl[..], &start(&HELLO)].concat();
    for asked in 0..GATEWAY_ENCRYPTION_REQUESTS {
        assert_eq!(gateway.verdict(&bytes, asked), Verdict::Encryption { used: 8 });
    }
    assert_eq!(refusal(gateway.verdict(&bytes, GATEWAY_ENCRYPTION_REQUESTS)).0, "08P01");
    assert_eq!(refusal(gateway.verdict(b"GET / HTTP/1.1\r\n", 0)).0, "08P01");
    assert_eq!(refusal(gateway.verdict(b"\x16\x03\x01\x02\x00", 0)).0, "08P01");
}

#[test]
fn a_cancel_goes_to_what_the_binding_may_use_and_to_nothing_else() {
    let variables = variables();
    let cancel = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2];
    let asked = |props: Props| {
        let Verdict::Cancel { homes, head } = verdict(props, &variables, &cancel) else {
            panic!("a cancel")
        };
        assert!(head.ends_with(&cancel));
        homes.into_iter().map(|home| home.name).collect::<Vec<_>>()
    };
    assert_eq!(asked(Props::default()), ["main", "main_reader", "orders"]);
    assert_eq!(asked(props(&[("role", text("reader"))])), ["main_reader"]);
    assert_eq!(asked(props(&[("databases", list(&["orders", "stock"]))])), ["orders"]);
    let many: Vec<_> =
        (0..40).map(|n| (&*format!("PIERHEAD_DB_D{n}").leak(), "postgres://app@db/x")).collect();
    let Verdict::Cancel { homes, .. } = verdict(Props::default(), &Set(many), &cancel) else {
        panic!("a cancel")
    };
    assert_eq!(homes.len(), GATEWAY_CANCEL_OBJECTS);
}

#[test]
fn leases_are_counted_by_the_bindings_caller() {
    let variables = variables();
    let options = |props| Gateway { props, variables: &variables }.lease_options();
    assert_eq!(options(Props::default()), None);
    let told = options(props(&[("caller", text("checkout"))]));
    assert_eq!(told.as_deref(), Some(&b"\x01\0\x08checkout"[..]));
}

#[test]
fn over_rpc_a_refusal_says_that_nothing_was_executed_and_that_a_retry_is_in_vain() {
    let variables = variables();
    for (database, code, blame) in [
        ("orders", "28000", Blame::Caller),
        ("stock", "3D000", Blame::Caller),
        ("broken", "F0000", Blame::Pierhead),
    ] {
        let props = props(&[("databases", list(&["main", "stock", "broken"]))]);
        let Err(refusal) = (Gateway { props, variables: &variables }).home(database) else {
            panic!("{database} is not refused")
        };
        let told = outcome(&refusal);
        let expected = (Status::Refused, Retry::DoNot, code, blame);
        assert_eq!((told.status, told.retry, told.sqlstate.as_str(), told.blame), expected);
    }
}

#[test]
fn requests_go_in_the_bindings_name_and_are_otherwise_as_they_were() {
    let variables = variables();
    let named = |caller: Option<&str>, request: &[u8]| {
        let fields: Vec<_> = caller.map(|caller| ("caller", text(caller))).into_iter().collect();
        let gateway = Gateway { props: props(&fields), variables: &variables };
        gateway.named(Bytes::copy_from_slice(request))
    };
    let request = |caller: Option<&str>| Request {
        remaining_ms: 1_500,
        id: RequestId([7; 16]),
        options: Options { caller: caller.map(str::to_owned), reset: true, fresh_plans: true },
        protocol: Bytes::from_static(b"protocol"),
    };
    for own in [None, Some("admin"), Some("checkout")] {
        let bytes = request(own).encode();
        assert_eq!(named(None, &bytes), None);
        let (head, used) = named(Some("checkout"), &bytes).unwrap_or_default();
        let whole = [&head[..], bytes.get(used..).unwrap_or_default()].concat();
        assert_eq!(Request::parse(whole.into()), Ok(request(Some("checkout"))), "{own:?}");
        for end in 0..used {
            assert_eq!(named(Some("checkout"), &bytes[..end]), None, "cut at {end}");
        }
    }
}
