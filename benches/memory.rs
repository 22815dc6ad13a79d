//! Resident memory of this process, and its course.

/// Resident memory now, MB (of a million bytes).
pub(crate) fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB")?.trim().parse().ok());
    kibibytes.unwrap_or(f64::NAN) * 1024.0 / 1e6
}

/// Resident memory second by second.
pub(crate) struct Course(Vec<f64>);

impl Course {
    /// Begins now.
    pub(crate) fn begin() -> Course {
        Course(vec![resident()])
    }

    /// Another second has passed.
    pub(crate) fn note(&mut self) {
        self.0.push(resident());
    }

    /// How much more it became in a minute of the second half, MB: the line nearest to its seconds.
    fn slope(&self) -> f64 {
        let half = &self.0[self.0.len() / 2..];
        let count = half.len() as f64;
        let (middle, mean) = ((count - 1.0) / 2.0, half.iter().sum::<f64>() / count);
        let spread = |at: usize| at as f64 - middle;
        let along: f64 = half.iter().enumerate().map(|(at, memory)| spread(at) * (memory - mean)).sum();
        along / (0..half.len()).map(|at| spread(at).powi(2)).sum::<f64>() * 60.0
    }
}

impl std::fmt::Display for Course {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = &self.0;
        write!(f, "resident memory, MB: {:.0} at the beginning", all[0])?;
        for (minute, memory) in all.iter().step_by(60).enumerate().skip(1) {
            write!(f, ", {memory:.0} after {minute} min")?;
        }
        let (least, most) = all.iter().fold((f64::MAX, f64::MIN), |(least, most), m| (least.min(*m), most.max(*m)));
        writeln!(f, ", {:.0} at the end", all[all.len() - 1])?;
        write!(f, "least {least:.0}, most {most:.0}; over the second half {:+.1} MB a minute", self.slope())
    }
}
