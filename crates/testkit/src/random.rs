/// Chance that a seed repeats exactly: xorshift64* (Vigna, 2016), which no library's next version changes.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds have to give unlike sequences, and zero is the one state that xorshift never leaves.
        let mixed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self(mixed ^ (mixed >> 29) | 1)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 up to and without `limit`; 0 where the limit is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.number() % limit as u64) as usize }
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.number() % 100 < percent
    }

    /// One of them; none where there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// Takes one of them out.
    pub fn take<T>(&mut self, from: &mut Vec<T>) -> Option<T> {
        if from.is_empty() { None } else { Some(from.swap_remove(self.below(from.len()))) }
    }
}

/// Runs `world` once for each of `worlds` seeds; with `SLUICE_SEED` set, for that one only. A failing seed is printed.
pub fn simulate(worlds: u64, mut world: impl FnMut(&mut Random)) {
    let seeds = match std::env::var("SLUICE_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..worlds,
    };
    for seed in seeds {
        let guard = Guard(seed);
        world(&mut Random::new(seed));
        drop(guard);
    }
}

/// Says how to replay a seed, when a panic goes through it.
struct Guard(u64);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this world failed; replay it with SLUICE_SEED={}", self.0);
        }
    }
}
