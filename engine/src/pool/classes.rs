//! Classes of clients: the authenticated identities between which the pool is shared. Each name
//! has a number while somebody uses it, and keeps it until the number is needed for another name.
use crate::limits::{CLASS_BYTES_MAX, CLASSES_MAX};

/// The number of a class; less than [`Classes::NUMBERS`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ClassId(pub(crate) u32);

impl ClassId {
    /// The class of those for whom there was no number left.
    pub(crate) const OTHERS: Self = Self(0);

    /// As an index. Numbers that no class has count as [`Self::OTHERS`].
    pub(crate) fn index(self) -> usize {
        let index = self.0 as usize;
        if index < Classes::NUMBERS { index } else { 0 }
    }
}

/// What a client gets when it comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) class: ClassId,
    /// The number is given to this name only now: what is kept under it is another's.
    pub(crate) fresh: bool,
}

/// The names in use, and those used last.
#[derive(Debug)]
pub(crate) struct Classes {
    /// By number.
    known: Vec<Class>,
    /// Numbers by name, without that of [`ClassId::OTHERS`].
    by_name: Vec<ClassId>,
    /// Who came last: often the next one too.
    last: ClassId,
    /// Counts departures, so that the class longest unused is known.
    departures: u64,
}

#[derive(Debug)]
struct Class {
    name: String,
    users: usize,
    /// The departure that left it unused.
    left: u64,
}

impl Default for Classes {
    fn default() -> Self {
        let others = Class { name: "others".into(), users: 0, left: 0 };
        Self { known: vec![others], by_name: Vec::new(), last: ClassId::OTHERS, departures: 0 }
    }
}

impl Classes {
    /// How many numbers there may be: every class that is told apart, and the others.
    pub(crate) const NUMBERS: usize = CLASSES_MAX + 1;

    /// A client comes. It counts as a user of its class until [`Classes::leave`].
    pub(crate) fn enter(&mut self, name: &str) -> Entry {
        let name = cut(name, CLASS_BYTES_MAX);
        let (class, fresh) = match self.find(name) {
            Ok(class) => (class, false),
            Err(place) => self.admit(name, place),
        };
        if let Some(known) = self.known.get_mut(class.index()) {
            known.users += 1;
        }
        self.last = class;
        Entry { class, fresh }
    }

    /// A client goes.
    pub(crate) fn leave(&mut self, class: ClassId) {
        self.departures += 1;
        if let Some(known) = self.known.get_mut(class.index()) {
            known.users = known.users.saturating_sub(1);
            known.left = self.departures;
        }
    }

    /// The name of a class.
    pub(crate) fn name(&self, class: ClassId) -> &str {
        self.known.get(class.index()).map_or("", |known| &known.name)
    }

    /// How many numbers are given, the others' included.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// The number of a name, or its place among the names.
    fn find(&self, name: &str) -> Result<ClassId, usize> {
        if self.last != ClassId::OTHERS && self.name(self.last) == name {
            return Ok(self.last);
        }
        let place = self.by_name.binary_search_by(|&class| self.name(class).cmp(name))?;
        Ok(self.by_name.get(place).copied().unwrap_or(ClassId::OTHERS))
    }

    /// Gives a name a number: one more, else that of the class longest unused, else the others'.
    fn admit(&mut self, name: &str, place: usize) -> (ClassId, bool) {
        let class = Class { name: name.into(), users: 0, left: 0 };
        if let Ok(number) = u32::try_from(self.known.len())
            && self.known.len() < Self::NUMBERS
        {
            self.known.push(class);
            self.by_name.insert(place, ClassId(number));
            return (ClassId(number), true);
        }
        let unused = self.by_name.iter().enumerate().filter_map(|(at, &id)| {
            let known = self.known.get(id.index()).filter(|known| known.users == 0)?;
            Some((known.left, at, id))
        });
        let Some((_, at, id)) = unused.min() else { return (ClassId::OTHERS, false) };
        self.by_name.remove(at);
        self.by_name.insert(if at < place { place - 1 } else { place }, id);
        if let Some(known) = self.known.get_mut(id.index()) {
            *known = class;
        }
        (id, true)
    }
}

/// At most this many bytes of a text, whole characters only.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Classes {
        let mut classes = Classes::default();
        for n in 0..CLASSES_MAX {
            assert!(classes.enter(&format!("user {n}")).fresh);
        }
        classes
    }

    #[test]
    fn a_name_has_one_number_whoever_comes_between() {
        let mut classes = Classes::default();
        let api = classes.enter("api");
        let cron = classes.enter("cron");
        assert!(api.fresh && cron.fresh && api.class != cron.class);
        assert_eq!(classes.enter("api"), Entry { fresh: false, ..api });
        assert_eq!(classes.enter("api"), Entry { fresh: false, ..api });
        assert_eq!(classes.enter("cron"), Entry { fresh: false, ..cron });
        assert_eq!((classes.name(api.class), classes.name(cron.class)), ("api", "cron"));
        assert_ne!(classes.enter("others").class, ClassId::OTHERS, "a name like any other");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let mut classes = Classes::default();
        let long = classes.enter(&"é".repeat(40)).class;
        assert_eq!(classes.name(long), "é".repeat(32));
        assert_eq!(classes.enter(&("x".to_owned() + &"é".repeat(40))).class, ClassId(2));
        assert_eq!(classes.name(ClassId(2)).len(), 63);
    }

    #[test]
    fn whoever_finds_all_numbers_in_use_is_one_of_the_others() {
        let mut classes = full();
        let entry = Entry { class: ClassId::OTHERS, fresh: false };
        assert_eq!(classes.enter("late"), entry);
        assert_eq!(classes.enter("later"), entry);
        assert_eq!(classes.name(entry.class), "others");
        assert_eq!(classes.len(), Classes::NUMBERS);
    }

    #[test]
    fn the_class_longest_unused_gives_up_its_number() {
        let mut classes = full();
        let [seven, three] = ["user 7", "user 3"].map(|name| classes.enter(name).class);
        for class in [seven, three, three, seven] {
            classes.leave(class);
        }
        assert_eq!(classes.enter("a newcomer"), Entry { class: three, fresh: true });
        assert_eq!(classes.enter("user 7"), Entry { class: seven, fresh: false });
        assert_eq!(classes.enter("user 3").class, ClassId::OTHERS);
        classes.leave(seven);
        assert_eq!(classes.enter("user 3"), Entry { class: seven, fresh: true });
        for n in (0..CLASSES_MAX).filter(|n| ![3, 7].contains(n)) {
            assert!(!classes.enter(&format!("user {n}")).fresh, "the names are still in order");
        }
    }

    #[test]
    fn a_number_that_nobody_was_given_is_one_of_the_others() {
        assert_eq!(ClassId(u32::MAX).index(), 0);
        assert_eq!(Classes::default().name(ClassId(u32::MAX)), "others");
    }
}
