//! Two processes over TCP: rows of one case come to either of them, and the answer is the reference's.

use std::net::TcpListener;
use std::sync::Arc;

use weir::correlate::cluster::{Cluster, Links, connect};
use weir::correlate::{Emit, Input, Outputs, Stand, start_in};
use weir::rule::plan::Program;

use super::case::{Case, cases};
use super::generate::any_form;
use super::run::{Answer, sum};
use super::{levels, match_rows, same, try_cases};
use crate::reference::{self, Row};

/// Two processes of one dataflow, both in this one, and what they said up to now.
struct Pair {
    program: Arc<Program>,
    processes: [(Input, Outputs); 2],
    answer: Answer,
}

impl Pair {
    fn start(program: &Arc<Program>, workers: usize) -> Pair {
        let links = links(workers);
        let processes = links.map(|links| start_in(links, program.clone(), Emit::Running).unwrap());
        Pair { program: program.clone(), processes, answer: Answer::new() }
    }

    /// Sends an epoch of both and takes what it changes.
    fn epoch(&mut self, rows: [Vec<Row>; 2], stands: [Stand; 2]) {
        for ((input, _), (rows, stand)) in self.processes.iter_mut().zip(rows.iter().zip(stands)) {
            input.stand(match_rows(&self.program, rows), stand, false).unwrap();
        }
        let [first, second] = self.processes.each_mut().map(|(_, outputs)| outputs.receive().unwrap().unwrap());
        sum(&mut self.answer, first.changes);
        assert!(second.changes.is_empty(), "alerts come out of process 0");
    }

    fn finish(self) -> Answer {
        let [(first, mut outputs), (second, mut others)] = self.processes;
        drop((first, second));
        assert!(outputs.receive().unwrap().is_none() && others.receive().unwrap().is_none());
        self.answer
    }
}

/// Connections between two processes.
fn links(workers: usize) -> [Links; 2] {
    let listeners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses: Vec<String> = listeners.iter().map(|l| l.local_addr().unwrap().to_string()).collect();
    let meet = |process: usize| {
        let cluster = Cluster::new(addresses.clone(), process);
        connect(&cluster, &listeners[process], workers, "the same", &|_| ()).unwrap()
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| meet(1));
        [meet(0), other.join().unwrap()]
    })
}

/// Sends a case's epochs to both processes: each row to one of them, by `choice` and its id. In every epoch
/// one of them holds the watermark; the other is ahead of it, or silent, or holds it, too.
fn run(case: &Case, workers: usize) -> Answer {
    let mut pair = Pair::start(&case.program, workers);
    for (i, (rows, watermark)) in case.epochs.iter().enumerate() {
        let of = |row: &&Row| (row.id.bits() as usize).wrapping_mul(case.choice + 1) >> 2 & 1 == 1;
        let (first, second) = rows.iter().partition::<Vec<&Row>, _>(of);
        let holds = Stand::Holds(*watermark);
        let other = match (i + case.choice) % 4 {
            0 => Stand::Silent(None),
            1 => Stand::Silent(Some(i64::MAX)),
            2 => Stand::Holds(watermark + 1 + case.choice as i64),
            _ => holds,
        };
        let stands = if (i ^ case.choice).is_multiple_of(2) { [holds, other] } else { [other, holds] };
        pair.epoch([first, second].map(|rows| rows.into_iter().cloned().collect()), stands);
    }
    pair.finish()
}

fn workers(case: &Case) -> usize {
    if case.choice.is_multiple_of(7) { 2 } else { 1 }
}

#[test]
fn two_processes_give_the_answer() {
    try_cases(1000, cases(any_form(), 1..4, 50), |case| {
        let expected = reference::episodes(&case.program, &case.rows(), case.end());
        same("two processes", &run(case, workers(case)), &expected)
    });
}

#[test]
fn two_processes_with_rules_over_alerts() {
    try_cases(300, levels::cases(), |case| {
        let expected = levels::answer(&case.program, &case.rows(), case.end());
        same("two processes, rules over alerts", &run(case, workers(case)), &expected)
    });
}

#[test]
fn a_word_is_heard_by_all() {
    let program = Arc::new(Program::default());
    let talks = links(2).map(|links| {
        let program = program.clone();
        std::thread::spawn(move || {
            let process = i64::from(links.process() == 1);
            let (mut input, mut outputs) = start_in(links, program, Emit::Running).unwrap();
            let heard: Vec<_> = (0..20).map(|round| input.agree(vec![], 0, round * 10 + process).unwrap()).collect();
            // It leaves; the other one may be at an epoch that it takes no part in.
            input.stand(vec![], Stand::Silent(None), true).unwrap();
            input.stand(vec![], Stand::Silent(None), true).unwrap();
            drop(input);
            while outputs.receive().unwrap().is_some() {}
            heard
        })
    });
    let expected: Vec<_> = (0..20).map(|round| vec![round * 10, round * 10 + 1]).collect();
    for talk in talks {
        assert_eq!(talk.join().unwrap(), expected);
    }
}
