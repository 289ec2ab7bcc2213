//! Whatever SQL a client sends: its tokens are the text, nothing that is shown depends on a
//! constant, and what is replayed into a session says what was read and nothing more.

use pierhead_engine::fuzzing;

pub fn run(data: &[u8]) {
    covers(data);
    hides_constants(data);
    assert_eq!(fuzzing::read(data), fuzzing::read(data));
    replays(data);
}

fn covers(sql: &[u8]) {
    let mut end = 0;
    for place in fuzzing::tokens(sql) {
        assert!(place.start == end && place.end > place.start, "{place:?} behind {end}");
        end = place.end;
    }
    assert_eq!(end, sql.len());
}

fn hides_constants(sql: &[u8]) {
    let other = fuzzing::with_other_constants(sql);
    assert_eq!(
        fuzzing::normalised(sql, usize::MAX),
        fuzzing::normalised(&other, usize::MAX),
        "{:?}",
        String::from_utf8_lossy(&other)
    );
    for most in [0, 1, 3, 10, 100] {
        assert!(fuzzing::normalised(sql, most).1.len() <= most);
    }
}

/// The text is two clients' texts, parted by a byte that no text has.
fn replays(data: &[u8]) {
    let mut texts = data.splitn(2, |&b| b == 0);
    let (has, wants) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    if let Some((script, same)) = fuzzing::replay(has, wants) {
        assert!(same, "{script}");
    }
}
