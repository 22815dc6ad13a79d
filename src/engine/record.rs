//! Notes in a data folder which rules run over it. In: a program. Out: the file that SQL shows as the view `rules`.

use std::path::Path;

use crate::archive::{self, ArchiveError, StoredRule};
use crate::rule::plan::{Form, Program, Rule};
use crate::rule::tactic;
use crate::serve::RuleInfo;

/// Notes that these rules run.
pub(super) fn record(data: &Path, program: &Program) -> Result<(), ArchiveError> {
    archive::keep_rules(data, &program.rules.iter().map(stored).collect::<Vec<_>>())
}

fn stored(rule: &Rule) -> StoredRule {
    let RuleInfo { name, title, description, severity, attack, tags, file } = RuleInfo::from(rule);
    StoredRule {
        name,
        title,
        description,
        severity,
        kind: kind(&rule.form),
        level: rule.level,
        tactics: tactic::of_all(&attack),
        attack,
        tags,
        key: rule.key.iter().map(|field| field.name()).collect(),
        runbook: rule.runbook.clone(),
        risk: rule.risk,
        file,
    }
}

/// The form in a word.
fn kind(form: &Form) -> &'static str {
    match form {
        Form::Single | Form::Threshold { within: 0, count: 1 } => "single",
        Form::Threshold { .. } => "threshold",
        Form::Distinct { .. } => "distinct",
        Form::Aggregate { .. } => "aggregate",
        Form::Sequence { .. } => "sequence",
        Form::All { .. } => "all",
        Form::Novel { fewer_than: 1, .. } => "new",
        Form::Novel { .. } => "rare",
        Form::Baseline { .. } => "baseline",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule;

    #[test]
    fn the_rules_that_ran_are_lines_of_json() {
        let folder = tempfile::tempdir().unwrap();
        record(folder.path(), &rule::pack().program).unwrap();
        let text = std::fs::read_to_string(archive::rules_file(folder.path())).unwrap();
        assert_eq!(text.lines().count(), rule::pack().program.rules.len());
        let brute = text.lines().find(|line| line.contains("\"name\":\"ssh_bruteforce\"")).unwrap();
        let rule: serde_json::Value = serde_json::from_str(brute).unwrap();
        assert_eq!(
            (&rule["severity"], &rule["kind"], &rule["level"]),
            (&"medium".into(), &"threshold".into(), &0.into())
        );
        assert_eq!((&rule["attack"][0], &rule["tactics"][0]), (&"T1110.001".into(), &"credential-access".into()));
        assert_eq!(rule["key"], serde_json::json!(["source.ip"]));
    }
}
