//! Raw lines are stored in pieces where these repeat, and always come back byte by byte.

use super::stored::{Random, as_read, expected, written};
use super::*;

/// Lines of a few forms, with their values in and out of order, in other spellings, missing, twice, or not there at all.
pub(super) fn lines(random: &mut Random, from: usize, rows: usize) -> EventBatch {
    let mut b = BatchBuilder::new();
    for row in from..from + rows {
        let time = T0 + (row / 7) as i64 * SECOND;
        let second = row / 7 % 60;
        let host = ["web1", "db", "wéb"][random.below(3) as usize];
        let (pid, port) = (random.below(4000), random.below(65_536));
        let user = ["root", "port", "from", "a", "b c", "日本", "x.y", ""][random.below(8) as usize];
        let ip = format!("10.0.0.{}", random.below(200));
        let head = format!("Jan 15 10:30:{second:02} {host} sshd[{pid}]: ");
        let message = match random.below(12) {
            0 => format!("Failed password for invalid user {user} from {ip} port {port} ssh2"),
            1 => format!("Accepted password for {user} from {ip} port {port} ssh2"),
            2 => format!("authentication failure; rhost={ip} user={user}"),
            3 => format!("{ip} {ip} {user}{user} port {port}{port}"),
            4 => "Connection closed".to_owned(),
            5 => String::new(),
            6 => format!("from {}", random.below(u64::MAX)),
            7 => format!("pid {pid} of {host} für {user}"),
            8 => user.to_uppercase(),
            _ => format!("Failed password for {user} from {ip} port {port} ssh2"),
        };
        let line = match random.below(20) {
            0 => format!("{{\"host\":\"{host}\",\"ip\":\"{ip}\"}}"),
            1 => format!("{ip} - {user} [15/Jan/2026:10:30:{second:02} +0000] \"GET /a?{row} HTTP/1.1\" 200 {pid}"),
            _ => format!("{head}{message}"),
        };
        b.set_time(field::TIMESTAMP, time);
        b.set_id(EventId::new(time, line.as_bytes(), row as u64));
        b.set_text(field::HOST_NAME, host);
        let mut there = |share: u64| random.below(16) < share;
        if there(15) {
            b.set_number(field::PROCESS_PID, pid.into());
        }
        if there(14) {
            b.set_text(field::USER_NAME, user);
        }
        if there(14) {
            b.set_ip(field::SOURCE_IP, &ip);
        }
        if there(14) {
            b.set_number(field::SOURCE_PORT, port.into());
        }
        if there(15) {
            b.set_text(field::EVENT_ORIGINAL, &line);
        }
        if there(2) {
            b.set_text(field::MESSAGE, "a message of its own");
        }
        if there(15) {
            // In characters; now and then more than there are.
            let offset = if there(1) { 9_000 } else { head.chars().count().min(line.chars().count()) };
            b.set_number(field::LOG_MESSAGE_OFFSET, offset as i128);
        }
        b.end_row();
    }
    b.finish()
}

/// How many lines of the files are in pieces, and how many whole.
fn stored(dir: &Path) -> (i64, i64) {
    let connection = duckdb::Connection::open_in_memory().unwrap();
    let files: Vec<String> = files(dir).unwrap().iter().map(|f| format!("'{}'", f.display())).collect();
    let sql = format!("SELECT count(line.\"end\"), count(event.original) FROM read_parquet([{}])", files.join(","));
    connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[test]
fn lines_come_back_from_their_pieces() {
    for (seed, rows) in [(1, 40), (2, 5000), (3, 30_000), (4, 140_000)] {
        let mut random = Random(seed);
        let batches = [lines(&mut random, 0, rows / 2), lines(&mut random, rows / 2, rows - rows / 2)];
        let dir = tempfile::tempdir().unwrap();
        let back = written(dir.path(), &batches);
        assert!(as_read(&back) == expected(&batches), "{rows} rows");
        let message =
            |batch: &EventBatch| (0..batch.len()).map(|row| batch.message(row).map(str::to_owned)).collect::<Vec<_>>();
        let mut expected: Vec<_> =
            batches.iter().flat_map(|b| b.times().iter().copied().zip(message(b)).collect::<Vec<_>>()).collect();
        expected.sort_by_key(|(time, _)| *time);
        assert!(back.iter().flat_map(message).eq(expected.iter().map(|(_, m)| m.clone())), "{rows} rows");
        // Asked for alone they bring the columns with them that they are made of.
        for id in [field::MESSAGE, field::EVENT_ORIGINAL] {
            let only = BTreeSet::from([FieldRef::Column(id)]);
            let read: Vec<EventBatch> =
                read(dir.path(), Some(&only), i64::MIN..=i64::MAX).unwrap().map(Result::unwrap).collect();
            let text = |batches: &[EventBatch]| {
                let texts = |b: &EventBatch| (0..b.len()).map(|r| b.text(id, r).map(str::to_owned)).collect::<Vec<_>>();
                batches.iter().flat_map(texts).collect::<Vec<_>>()
            };
            assert!(text(&read) == text(&back), "{rows} rows");
        }
        let (pieces, whole) = stored(dir.path());
        assert!(pieces > whole, "{pieces} in pieces, {whole} whole");
        let lines = batches.iter().flat_map(|b| (0..b.len()).filter(|r| b.text(field::EVENT_ORIGINAL, *r).is_some()));
        assert_eq!(pieces + whole, lines.count() as i64);
    }
}

#[test]
fn lines_that_do_not_repeat_stay_whole() {
    let mut random = Random(9);
    let mut b = BatchBuilder::new();
    for row in 0..9000 {
        let noise: String = (0..60).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
        b.set_time(field::TIMESTAMP, T0 + row);
        b.set_id(EventId::new(T0 + row, noise.as_bytes(), 0));
        b.set_text(field::HOST_NAME, "web1");
        b.set_text(field::EVENT_ORIGINAL, &format!("{noise} web1 {noise}"));
        b.end_row();
    }
    let dir = tempfile::tempdir().unwrap();
    let batches = [b.finish()];
    assert!(as_read(&written(dir.path(), &batches)) == expected(&batches));
    assert_eq!(stored(dir.path()), (0, 9000));
}

#[test]
fn every_piece_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = line::pieces().collect();
    assert_eq!(names.len(), PIECES);
    assert!(line::SLOTS[line::MESSAGE].field.is_none());
}
