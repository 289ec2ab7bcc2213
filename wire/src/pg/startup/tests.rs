use bytes::BytesMut;
use postgres_protocol::message::frontend as build;

use super::*;

fn start(parameters: &[(&str, &str)]) -> BytesMut {
    let mut out = BytesMut::new();
    build::startup_message(parameters.iter().copied(), &mut out).unwrap();
    out
}

fn packet(major: u16, minor: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap();
    [&length.to_be_bytes()[..], &major.to_be_bytes(), &minor.to_be_bytes(), body].concat()
}

/// The error of a whole packet, which none of its beginnings contradicts.
fn refused(bytes: &[u8]) -> StartUpError {
    let error = StartUp::read(bytes).unwrap_err();
    for end in 0..bytes.len() {
        match StartUp::read(&bytes[..end]) {
            Ok(read) => assert_eq!(read, None, "cut at {end}"),
            Err(early) => assert_eq!(early, error, "cut at {end}"),
        }
    }
    error
}

#[test]
fn a_driver_starts_a_session() {
    let pairs = [("user", "app"), ("database", "shop"), ("application_name", "")];
    let bytes = start(&pairs);
    let start = StartUp::Start { minor: 0, parameters: pairs.to_vec() };
    assert_eq!(StartUp::read(&bytes), Ok(Some((start, bytes.len()))));
}

#[test]
fn a_packet_is_read_when_it_is_whole_and_not_before() {
    let mut bytes = start(&[("user", "app"), ("options", "-c a=b")]);
    let length = bytes.len();
    bytes.extend_from_slice(b"p\0\0\0\x08abc\0");
    for end in 0..bytes.len() {
        let read = StartUp::read(&bytes[..end]).unwrap();
        assert_eq!(read.map(|(_, used)| used), (end >= length).then_some(length), "cut at {end}");
    }
}

#[test]
fn a_newer_minor_version_is_told() {
    let bytes = packet(3, 9999, b"user\0a\0_pq_.x\0\0\0");
    let Ok(Some((StartUp::Start { minor, parameters }, _))) = StartUp::read(&bytes) else {
        panic!("a start")
    };
    assert_eq!(minor, 9999);
    assert_eq!(parameters, [("user", "a"), ("_pq_.x", "")]);
}

#[test]
fn encryption_is_asked_for() {
    let mut ssl = BytesMut::new();
    build::ssl_request(&mut ssl);
    assert_eq!(StartUp::read(&ssl), Ok(Some((StartUp::SslRequest, 8))));
    assert_eq!(StartUp::read(&packet(1234, 5680, b"")), Ok(Some((StartUp::GssRequest, 8))));
    assert_eq!(refused(&packet(1234, 5679, b"x")), StartUpError::Layout);
}

#[test]
fn a_cancel_request_has_a_key_of_any_allowed_length() {
    let mut bytes = BytesMut::new();
    build::cancel_request(7, -1, &mut bytes);
    let cancel = StartUp::Cancel { pid: 7, secret: &[255; 4] };
    assert_eq!(StartUp::read(&bytes), Ok(Some((cancel, 16))));

    for (length, allowed) in [(0, false), (3, false), (4, true), (256, true), (257, false)] {
        let body = [&[0, 0, 0, 9][..], &vec![1; length]].concat();
        let bytes = packet(1234, 5678, &body);
        if allowed {
            let cancel = StartUp::Cancel { pid: 9, secret: &body[4..] };
            assert_eq!(StartUp::read(&bytes), Ok(Some((cancel, bytes.len()))));
        } else {
            assert_eq!(refused(&bytes), StartUpError::CancelKey);
        }
    }
    assert_eq!(refused(&packet(1234, 5678, b"abc")), StartUpError::CancelKey);
}

#[test]
fn another_protocol_is_refused_by_its_version_before_the_packet_is_whole() {
    let old = packet(2, 0, &[0; 288]);
    assert_eq!(refused(&old).to_string(), "protocol 2.0 is not supported, only 3");
    assert_eq!(refused(&old[..8]), StartUpError::Version { major: 2, minor: 0 });
    assert_eq!(
        refused(&packet(1234, 5677, b"")),
        StartUpError::Version { major: 1234, minor: 5677 }
    );
}

#[test]
fn what_speaks_no_postgresql_is_refused_at_its_fourth_byte() {
    assert_eq!(refused(b"GET / HTTP/1.1"), StartUpError::Length(0x4745_5420));
    assert_eq!(refused(b"\x16\x03\x01\x02\x00"), StartUpError::Tls);
    assert_eq!(refused(&[0; 4]), StartUpError::Length(0));
    assert_eq!(refused(&[0, 0, 0, 7]), StartUpError::Length(7));
}

#[test]
fn the_largest_packet_is_read_and_a_larger_one_is_not() {
    let value = "x".repeat(STARTUP_BYTES_MAX - HEADER - "user\0".len() - 2);
    let whole = packet(3, 0, format!("user\0{value}\0\0").as_bytes());
    assert_eq!(whole.len(), STARTUP_BYTES_MAX);
    assert!(matches!(StartUp::read(&whole), Ok(Some(_))));
    let larger = packet(3, 0, format!("user\0{value}x\0\0").as_bytes());
    assert!(matches!(refused(&larger), StartUpError::Length(_)));
}

#[test]
fn parameters_must_fill_the_packet() {
    for body in [&b""[..], b"user", b"user\0", b"user\0a", b"user\0a\0", b"\0x", b"user\0a\0\0\0"] {
        assert_eq!(refused(&packet(3, 0, body)), StartUpError::Layout, "{body:?}");
    }
    assert!(StartUp::read(&packet(3, 0, b"\0")).is_ok());
    assert_eq!(refused(&packet(3, 0, b"user\0\xff\0\0")), StartUpError::NotUtf8);
    assert_eq!(refused(&packet(3, 0, b"us\xffer\0a\0\0")), StartUpError::NotUtf8);
}

#[test]
fn parameters_are_bounded_in_number() {
    let many = |count: usize| packet(3, 0, format!("{}\0", "a\0b\0".repeat(count)).as_bytes());
    assert!(StartUp::read(&many(STARTUP_PARAMETERS_MAX)).is_ok());
    assert_eq!(refused(&many(STARTUP_PARAMETERS_MAX + 1)), StartUpError::TooManyParameters);
}

#[test]
fn terms_are_told_ahead_of_a_client() {
    let golden = b"\0\0\0\x14\x04\xd2\x50\x48\x01\0\x05alice\x80\0\x01\x01";
    let terms = TermsPacket { caller: Some("alice"), mode: Some(Mode::Session) };
    assert_eq!(terms.encode(), golden[..]);
    assert_eq!(StartUp::read(golden), Ok(Some((StartUp::Terms(terms), golden.len()))));
    let none = TermsPacket::default();
    assert_eq!(StartUp::read(&none.encode()), Ok(Some((StartUp::Terms(none), HEADER))));
    let transaction = TermsPacket { caller: None, mode: Some(Mode::Transaction) };
    assert_eq!(StartUp::read(&transaction.encode()), Ok(Some((StartUp::Terms(transaction), 12))));
}

#[test]
fn terms_that_must_be_understood_are_and_others_are_passed_over() {
    let terms = |body: &[u8]| packet(1234, 0x5048, body);
    let unknown = terms(b"\x02\0\x03abc\x01\0\x01a");
    let read = StartUp::Terms(TermsPacket { caller: Some("a"), mode: None });
    assert_eq!(StartUp::read(&unknown), Ok(Some((read, unknown.len()))));
    let long = [&[1, 0, 65][..], &[b'a'; 65]].concat();
    for (body, key) in [
        (&b"\x81\0\0"[..], 129),
        (b"\x80\0\x01\x02", 128),
        (b"\x80\0\0", 128),
        (b"\x80\0\x01\x01\x80\0\x01\x01", 128),
        (b"\x01\0\x01\xff", 1),
        (b"\x01\0\x02a", 1),
        (b"\x01\0", 1),
        (&long, 1),
    ] {
        assert_eq!(refused(&terms(body)), StartUpError::Terms { key }, "{body:?}");
    }
    assert_eq!(refused(&terms(&vec![0; TERMS_BYTES_MAX])), StartUpError::Length(4_104));
}

#[test]
fn a_start_is_written_as_drivers_write_it() {
    let pairs = [("user", "app"), ("database", "shop"), ("options", "-c a=b")];
    assert_eq!(write_start(0, pairs), start(&pairs));
}

#[test]
fn names_are_read_in_one_way_or_not_at_all() {
    let names = |pairs: &[(&'static str, &'static str)]| Names::of(pairs);
    let app = Names { user: "app", database: "shop" };
    assert_eq!(names(&[("database", "shop"), ("user", "app"), ("role", "x")]), Ok(app));
    let alone = Names { user: "app", database: "app" };
    assert_eq!(names(&[("user", "app")]), Ok(alone));
    assert_eq!(names(&[("user", "app"), ("database", "")]), Ok(alone));
    assert_eq!(names(&[]), Err(NamesError::NoUser));
    assert_eq!(names(&[("user", ""), ("database", "shop")]), Err(NamesError::NoUser));
    for name in ["user", "database"] {
        let twice = names(&[("user", "a"), ("database", "a"), (name, "b")]);
        assert_eq!(twice, Err(NamesError::Twice(name.into())));
    }
    for name in ["host", "hostaddr", "port", "dbname", "User", "DATABASE", "session_authorization"]
    {
        let smuggled = names(&[("user", "a"), (name, "b")]);
        assert_eq!(smuggled, Err(NamesError::OfTheConnection(name.to_ascii_lowercase())));
    }
}

fn read(text: &str) -> Vec<(String, String)> {
    options(text).unwrap()
}

#[test]
fn options_are_settings_in_both_notations() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(read(""), []);
    assert_eq!(read(" \t\n"), []);
    assert_eq!(
        read("-c search_path=a,b  -cjit=off --work-mem=4MB"),
        [pair("search_path", "a,b"), pair("jit", "off"), pair("work_mem", "4MB")]
    );
    assert_eq!(read("--a=b=c -c d="), [pair("a", "b=c"), pair("d", "")]);
}

#[test]
fn a_backslash_takes_a_space_into_a_value() {
    let one = |text: &str| read(text).pop().unwrap().1;
    assert_eq!(one(r"-c a=x\ y"), "x y");
    assert_eq!(one(r"-c a=x\\y"), r"x\y");
    assert_eq!(one(r"-c a=x\\ "), r"x\");
    assert_eq!(one(r"-c a=x\"), "x");
    assert_eq!(one("-c a=\\\u{e4}"), "\u{e4}");
}

#[test]
fn anything_else_in_options_is_refused_by_name() {
    assert_eq!(options("-c a=b -W 5"), Err(OptionsError::Unknown("-W".into())));
    assert_eq!(options("a=b"), Err(OptionsError::Unknown("a=b".into())));
    assert_eq!(options("\\"), Err(OptionsError::Unknown(String::new())));
    assert_eq!(options("-c"), Err(OptionsError::Unknown("-c".into())));
    assert_eq!(options("--"), Err(OptionsError::Unknown("--".into())));
    assert_eq!(options("-c geqo"), Err(OptionsError::NoValue("geqo".into())));
    assert_eq!(options("--=x"), Err(OptionsError::NoValue("=x".into())));
    assert!(options("-c geqo").unwrap_err().to_string().contains("\"geqo\""));
    assert!(options(&"--a=b ".repeat(STARTUP_PARAMETERS_MAX)).is_ok());
    assert_eq!(options(&"--a=b ".repeat(STARTUP_PARAMETERS_MAX + 1)), Err(OptionsError::TooMany));
}
