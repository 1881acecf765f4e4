use std::time::Instant;

/// Lines with the time since the demo began in front.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    begun: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Self { begun: Instant::now() }
    }

    pub fn say(&self, line: impl AsRef<str>) {
        let seconds = self.begun.elapsed().as_secs();
        anstream::println!("{:>2}:{:02}  {}", seconds / 60, seconds % 60, line.as_ref());
    }

    pub fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }
}
