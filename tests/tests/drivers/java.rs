//! Java's driver.

use crate::matrix;
use crate::program;
use crate::stage::{folder, live};
use crate::target::Place;

#[test]
fn pgjdbc() {
    let variables = ["PIERHEAD_JAVA", "PIERHEAD_PGJDBC"].map(std::env::var_os);
    let [Some(java), Some(driver)] = variables else {
        eprintln!("NOT RUN: there is no Java here, or no pgJDBC");
        return;
    };
    let program = |place: &Place| {
        let mut command = program::command(&java, place);
        command.current_dir(folder("java")).arg("-cp").arg(&driver).arg("Main.java");
        command
    };
    live(matrix::PGJDBC.is_alike(program));
}
