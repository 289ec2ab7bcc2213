//! The habits that a story is made of.

use super::steps::{Deed, Writer};

impl Writer<'_> {
    /// The whole story after the start-up: `count` habits, and a way to leave.
    pub(super) fn story(&mut self, count: u64) {
        for _ in 0..count {
            let habit = self.rng.weighted(&[22, 18, 16, 10, 12, 10, 4, 5, 3, self.pins]);
            let awaits = self.rng.chance(75);
            if self.sociable && self.rng.chance(35) {
                self.socially(awaits);
                continue;
            }
            if self.stars && self.rng.chance(60) {
                self.star(awaits);
                continue;
            }
            match habit {
                0 => self.simple(awaits),
                1 => self.unnamed(awaits),
                2 => self.named(awaits),
                3 => self.pipeline(),
                4 => self.transaction(),
                5 => self.settings(awaits),
                6 => self.piecemeal(),
                7 => self.copy(),
                8 => self.portal(),
                _ => self.pinning(awaits),
            }
        }
        self.leave();
    }

    fn simple(&mut self, awaits: bool) {
        let count = self.rng.within(1, 3);
        let statements: Vec<String> = (0..count).map(|_| self.statement()).collect();
        self.query(&statements.join(";"));
        self.slowly("asks", awaits);
    }

    /// What was written is a request that may be slow, and may be cancelled.
    fn slowly(&mut self, what: &'static str, awaits: bool) {
        let slow = self.out.windows(5).any(|w| w == b"slow ");
        if !(slow && self.rng.chance(50)) {
            return self.say(what, awaits);
        }
        self.say(what, false);
        let right = self.rng.chance(85);
        self.step(Deed::Cancel { right });
        if awaits {
            self.query("echo x");
            self.say("asks behind its cancel", true);
        }
    }

    fn unnamed(&mut self, awaits: bool) {
        if self.rng.chance(15) {
            // Bound again in a segment of its own.
            self.bind("", "");
            self.execute("", 0);
            self.sync();
            return self.say("uses the unnamed statement again", awaits);
        }
        for _ in 0..self.rng.within(1, 3) {
            let sql = self.statement();
            self.extended(&sql);
        }
        self.sync();
        self.slowly("asks (extended)", awaits);
    }

    fn named(&mut self, awaits: bool) {
        if self.stars && self.rng.chance(80) {
            return self.star(awaits);
        }
        let name = self.rng.pick(&["s1", "s2", "s3"]);
        match self.rng.weighted(&[35, 40, 10, 8, 7]) {
            0 => {
                if self.rng.chance(50) {
                    self.target(b'C', b'S', name);
                }
                if self.rng.chance(25) {
                    let value = self.value();
                    self.parse(name, &format!("star {value}"));
                } else if self.rng.chance(30) {
                    let sql = self.rng.pick(&["echo shared", "star shared", "rows 3 0 shared"]);
                    self.parse_common(name, sql);
                } else {
                    let sql = self.statement();
                    self.parse(name, &sql);
                }
                if self.rng.chance(60) {
                    self.target(b'D', b'S', name);
                }
                if self.rng.chance(40) {
                    self.run_named(name);
                }
            }
            1 => {
                for _ in 0..self.rng.within(1, 2) {
                    self.run_named(name);
                }
            }
            2 => self.target(b'D', b'S', name),
            3 => self.target(b'C', b'S', name),
            _ => {
                let name = if self.rng.chance(30) { "all" } else { name };
                self.query(&format!("deallocate {name}"));
            }
        }
        if self.out.first() != Some(&b'Q') {
            self.sync();
        }
        self.slowly("uses a named statement", awaits);
    }

    /// A statement that is kept, and whose plan may break between its uses.
    fn star(&mut self, awaits: bool) {
        if self.rng.chance(20) {
            let value = self.value();
            let sql = self.rng.pick(&["star shared", ""]);
            let sql = if sql.is_empty() { format!("star {value}") } else { sql.to_owned() };
            self.target(b'C', b'S', "star");
            self.parse_common("star", &sql);
            self.sync();
            self.say("prepares what may break", true);
        }
        self.run_named("star");
        if self.rng.chance(30) {
            let sql = self.statement();
            self.extended(&sql);
        }
        self.sync();
        self.say("uses what may be broken", awaits);
    }

    fn run_named(&mut self, name: &str) {
        self.bind("", name);
        if self.rng.chance(50) {
            self.target(b'D', b'P', "");
        }
        self.execute("", 0);
    }

    /// Several segments in flight.
    fn pipeline(&mut self) {
        for _ in 0..self.rng.within(2, 5) {
            if self.rng.chance(20) {
                let sql = self.statement();
                self.query(&sql);
                continue;
            }
            for _ in 0..self.rng.within(1, 2) {
                if self.rng.chance(30) {
                    self.run_named("s1");
                } else {
                    let sql = self.statement();
                    self.extended(&sql);
                }
            }
            self.sync();
            if self.rng.chance(20) {
                self.say("pipelines", false);
            }
        }
        self.slowly("pipelines", true);
    }

    fn transaction(&mut self) {
        let extended = self.rng.chance(40);
        self.part_of_transaction("begin", extended);
        for _ in 0..self.rng.within(0, 4) {
            let sql = match self.rng.weighted(&[60, 10, 10, 8, 6, 6]) {
                0 => self.statement(),
                1 => "savepoint a".into(),
                2 => "rollback to a".into(),
                3 => {
                    let value = self.value();
                    format!("set app.a = '{value}'")
                }
                4 => "show app.a".into(),
                _ => {
                    let value = self.value();
                    format!("set local app.a = '{value}'")
                }
            };
            self.part_of_transaction(&sql, extended);
        }
        let end = self.rng.pick(&["commit", "commit", "rollback", "rollback", ""]);
        if !end.is_empty() {
            self.part_of_transaction(end, extended);
        }
    }

    fn part_of_transaction(&mut self, sql: &str, extended: bool) {
        if extended {
            self.extended(sql);
            self.sync();
        } else {
            self.query(sql);
        }
        let awaits = self.rng.chance(80);
        self.say("goes on with its transaction", awaits);
    }

    fn settings(&mut self, awaits: bool) {
        let name = self.rng.pick(&["app.a", "app.b", "application_name", "search_path"]);
        let value = self.value();
        let sql = match self.rng.weighted(&[40, 30, 8, 5, 12]) {
            0 => format!("set {name} = '{value}'"),
            1 => format!("show {name}"),
            2 => format!("reset {name}"),
            3 => "reset all".into(),
            _ => format!("set app.a = '{value}'; set app.b = '{value}'; show {name}"),
        };
        if sql.contains(';') || self.rng.chance(60) {
            self.query(&sql);
        } else {
            self.extended(&sql);
            self.sync();
        }
        self.say("sets or shows", awaits);
    }

    /// Parts of a segment, with Flush behind each.
    fn piecemeal(&mut self) {
        let sql = self.statement();
        let name = self.rng.pick(&["", "s2"]);
        self.parse(name, &sql);
        self.target(b'D', b'S', name);
        self.flush();
        self.say("prepares, and waits", true);
        self.bind("", name);
        self.execute("", 0);
        if self.rng.chance(50) {
            self.flush();
            self.say("executes, and waits", true);
        }
        self.sync();
        self.say("ends its segment", true);
    }

    pub(super) fn either(&mut self, sql: &str, simple: bool) {
        if simple {
            self.query(sql);
        } else {
            self.extended(sql);
            self.sync();
        }
    }

    /// The requests of a lease: a transaction, which may be left open.
    pub(super) fn lease(mut self) -> Vec<Vec<u8>> {
        let mut requests = Vec::new();
        let extended = self.rng.chance(50);
        let count = self.rng.within(1, 5);
        for index in 0..=count {
            if index == 0 {
                self.either("begin", !extended);
            }
            let last = index == count;
            let end = self.rng.pick(&["commit", "commit", "rollback", ""]);
            let sql = if last { end.to_owned() } else { self.statement() };
            if sql.is_empty() {
                continue;
            }
            self.either(&sql, !extended);
            requests.push(std::mem::take(&mut self.out));
        }
        requests
    }

    fn leave(&mut self) {
        if self.rng.chance(12) {
            // In the middle of a segment.
            let sql = self.statement();
            self.extended(&sql);
            self.say("begins a segment", false);
        }
        if self.rng.chance(6) {
            self.misspeak();
        }
        match self.rng.weighted(&[50, 30, 20]) {
            0 => self.step(Deed::Terminate),
            1 => {
                let unsent = self.rng.pick(&[0, 10, 50, 99]);
                self.step(Deed::Cut { unsent });
            }
            _ => {}
        }
    }
}
