//! Answers, by folders written here: `§` is the cursor.

use std::path::PathBuf;

use super::analysis::{Analysis, analyse};
use super::folder::{Disk, Folder};
use crate::rule::Parsed;

mod names;
mod protocol;
mod words;

const FOLDER: &str = "
# Logins that did not work.
let failed = authentication where event.outcome == \"failure\"
list scanners = (198.51.100.7, 10.20.0.0/16)

rule bruteforce {
  title    \"{count} failures from {source.ip}\"
  severity high
  attack   T1110.001
  when failed by source.ip within 5m having count() >= 10
  except \"ours\" where source.ip in scanners
}

rule twice {
  title \"{made.user.target.name} used by {source.ip}\"
  when sequence within 1h {
    made: iam where event.action == \"user-created\" on user.target.name
    used: failed where source.ip not in list(\"scanners\") and source.ip != made.source.ip on user.name
  }
  test \"t\" { @0s iam { event.action: \"user-created\" } expect 0 }
}

rule over { when alert where rule.name in (\"bruteforce\", \"twice\") by source.ip within 1h having count() >= 2 }
";

fn folder(files: &[(&str, &str)]) -> Analysis {
    let open: Vec<_> = files.iter().map(|(name, text)| (PathBuf::from(*name), (*text).into())).collect();
    analyse(&Folder::Alone("a.weir".into()), &open, &mut Disk::default(), &mut Parsed::default(), false)
}

/// The folder, its files, and the cursor in the first.
fn cursor(text: &str) -> (Analysis, String, usize) {
    let at = text.find('§').expect("the text has a cursor");
    let text = text.replace('§', "");
    (folder(&[("a.weir", &text), ("b.weir", FOLDER)]), text, at)
}

/// In the standing folder, with the cursor in front of this piece and so many bytes on.
fn standing(piece: &str, on: usize) -> (Analysis, usize) {
    let at = FOLDER.find(piece).unwrap_or_else(|| panic!("no {piece}"));
    (folder(&[("b.weir", FOLDER)]), at + on)
}
