//! What the runner and the step agent say to each other: frames of a length (u32, little-endian, of kind and body), a
//! kind (u8) and a body. Both sides are built from this one file, so there is no version to agree on.

use std::io::{self, Read};

/// The largest frame; a longer one means that the stream is broken.
pub const FRAME_LIMIT: usize = 16 * 1024 * 1024;
/// The most of one file that is collected at the end of a step.
pub const COLLECT_LIMIT: u64 = 2 * 1024 * 1024;
/// The most that one piece of output or of a file carries.
pub const PIECE_LIMIT: usize = 64 * 1024;

/// From the runner to the agent. A `ticket` comes back in the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The first of all to an agent that was forked and not started: its environment, and where it is.
    Become {
        env: Vec<(Vec<u8>, Vec<u8>)>,
        directory: Vec<u8>,
    },
    /// Who steps run as: a name or id, with `:group` where one is given; empty for the agent's own user.
    Hello {
        user: Vec<u8>,
    },
    /// Writes `files`, then starts a process in a session of its own, its input closed, in the agent's environment plus
    /// `env`. The content of `collect` comes back with its end: a step is one frame each way.
    Start {
        step: u32,
        argv: Vec<Vec<u8>>,
        env: Vec<(Vec<u8>, Vec<u8>)>,
        directory: Vec<u8>,
        /// Path and content; all may be read and executed, and belong to the steps' user.
        files: Vec<(Vec<u8>, Vec<u8>)>,
        collect: Vec<Vec<u8>>,
    },
    /// Sends a signal to a step's process group; SIGKILL reaches its whole session.
    Signal {
        step: u32,
        signal: i32,
    },
    /// Looks a program up on the PATH.
    Find {
        ticket: u32,
        program: Vec<u8>,
    },
    /// Writes a file, with the folders above it, owned by the steps' user.
    Write {
        ticket: u32,
        path: Vec<u8>,
        mode: u32,
        content: Vec<u8>,
    },
    Read {
        ticket: u32,
        path: Vec<u8>,
        limit: u64,
    },
    /// Sends the files below `root` that the patterns choose: relative paths, with `*`, `?`, `[…]` and `**`, in order; one
    /// with a `!` in front takes out again what those before it took.
    Pack {
        ticket: u32,
        root: Vec<u8>,
        patterns: Vec<Vec<u8>>,
    },
    /// Makes `root` and puts the entries that follow below it.
    Unpack {
        ticket: u32,
        root: Vec<u8>,
    },
    Entry {
        ticket: u32,
        entry: Entry,
    },
    Data {
        ticket: u32,
        bytes: Vec<u8>,
    },
    /// The last of an unpacking.
    End {
        ticket: u32,
    },
    /// Gives everything below the paths to the steps' user.
    Own {
        ticket: u32,
        paths: Vec<Vec<u8>>,
    },
    /// Listens on 127.0.0.1:`port` and hands every connection on to a Unix socket.
    Relay {
        ticket: u32,
        port: u16,
        socket: Vec<u8>,
    },
    /// Kills all, gives back what was lent (see the agent's arguments), and ends.
    Finish,
    /// Kills all that steps left, answers `Finished`, and stays: the container lives on until somebody removes it.
    Stay,
}

/// From the agent to the runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Ready {
        uid: u32,
        gid: u32,
        home: Vec<u8>,
    },
    Output {
        step: u32,
        stderr: bool,
        bytes: Vec<u8>,
    },
    /// With what was to be collected, in that order: a path's content (empty where there is none), and a problem.
    Exited {
        step: u32,
        code: i32,
        signal: i32,
        collected: Vec<(Vec<u8>, Vec<u8>)>,
    },
    /// The process could not be started.
    NotStarted {
        step: u32,
        reason: Vec<u8>,
    },
    /// `problem` is empty where all went well.
    Done {
        ticket: u32,
        problem: Vec<u8>,
    },
    /// The content of a file, or the path of a program; `present` is false where there is none.
    Content {
        ticket: u32,
        present: bool,
        bytes: Vec<u8>,
    },
    Entry {
        ticket: u32,
        entry: Entry,
    },
    Data {
        ticket: u32,
        bytes: Vec<u8>,
    },
    Finished,
}

/// One file, folder or link, by its path relative to a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: Vec<u8>,
    pub mode: u32,
    /// Seconds since 1970.
    pub modified: u64,
    pub kind: EntryKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// Its content follows, in pieces.
    File {
        size: u64,
    },
    Folder,
    Link {
        target: Vec<u8>,
    },
}

/// A frame that does not read as what it says it is.
fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("broken frame: {what}"))
}

/// Reads one frame into `buffer`: kind and body. None at the end of the stream.
pub fn read_frame(from: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Option<()>> {
    let mut length = [0; 4];
    let mut filled = 0;
    while filled < 4 {
        match from.read(&mut length[filled..])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => filled += n,
        }
    }
    let length = frame_length(length)?;
    buffer.resize(length, 0);
    from.read_exact(buffer)?;
    Ok(Some(()))
}

/// The length of a frame's kind and body, refused where it cannot be.
pub fn frame_length(length: [u8; 4]) -> io::Result<usize> {
    match u32::from_le_bytes(length) as usize {
        0 => Err(broken("it is empty")),
        length if length > FRAME_LIMIT => Err(broken("it is too long")),
        length => Ok(length),
    }
}

/// Writes the pieces of a body.
struct Writer(Vec<u8>);

impl Writer {
    fn frame(kind: u8) -> Self {
        Self(vec![0, 0, 0, 0, kind])
    }
    fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }
    fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    fn i32(self, value: i32) -> Self {
        self.u32(value as u32)
    }
    fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    fn bytes(self, value: &[u8]) -> Self {
        let mut this = self.u32(value.len() as u32);
        this.0.extend_from_slice(value);
        this
    }
    fn list(self, values: &[Vec<u8>]) -> Self {
        values.iter().fold(self.u32(values.len() as u32), |writer, value| writer.bytes(value))
    }
    fn pairs(self, pairs: &[(Vec<u8>, Vec<u8>)]) -> Self {
        pairs
            .iter()
            .fold(self.u32(pairs.len() as u32), |writer, (name, value)| writer.bytes(name).bytes(value))
    }
    fn entry(self, entry: &Entry) -> Self {
        let this = self.bytes(&entry.path).u32(entry.mode).u64(entry.modified);
        match &entry.kind {
            EntryKind::File { size } => this.u8(0).u64(*size),
            EntryKind::Folder => this.u8(1),
            EntryKind::Link { target } => this.u8(2).bytes(target),
        }
    }
    fn done(mut self) -> Vec<u8> {
        let length = (self.0.len() - 4) as u32;
        self.0[..4].copy_from_slice(&length.to_le_bytes());
        self.0
    }
}

/// Reads the pieces of a body.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count).ok_or_else(|| broken("it ends too soon"))?;
        self.0 = tail;
        Ok(head)
    }
    fn u8(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }
    fn u32(&mut self) -> io::Result<u32> {
        let mut four = [0; 4];
        four.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(four))
    }
    fn i32(&mut self) -> io::Result<i32> {
        Ok(self.u32()? as i32)
    }
    fn u64(&mut self) -> io::Result<u64> {
        let mut eight = [0; 8];
        eight.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(eight))
    }
    fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let length = self.u32()? as usize;
        Ok(self.take(length)?.to_vec())
    }
    fn list(&mut self) -> io::Result<Vec<Vec<u8>>> {
        (0..self.u32()?).map(|_| self.bytes()).collect()
    }
    fn pairs(&mut self) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        (0..self.u32()?).map(|_| Ok((self.bytes()?, self.bytes()?))).collect()
    }
    fn entry(&mut self) -> io::Result<Entry> {
        let (path, mode, modified) = (self.bytes()?, self.u32()?, self.u64()?);
        let kind = match self.u8()? {
            0 => EntryKind::File { size: self.u64()? },
            1 => EntryKind::Folder,
            2 => EntryKind::Link { target: self.bytes()? },
            _ => return Err(broken("no such kind of entry")),
        };
        Ok(Entry { path, mode, modified, kind })
    }
}

impl Request {
    /// The whole frame, length included.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello { user } => Writer::frame(0).bytes(user).done(),
            Self::Start { step, argv, env, directory, files, collect } => Writer::frame(1)
                .u32(*step)
                .list(argv)
                .pairs(env)
                .bytes(directory)
                .pairs(files)
                .list(collect)
                .done(),
            Self::Signal { step, signal } => Writer::frame(2).u32(*step).i32(*signal).done(),
            Self::Find { ticket, program } => Writer::frame(3).u32(*ticket).bytes(program).done(),
            Self::Write { ticket, path, mode, content } => {
                Writer::frame(4).u32(*ticket).bytes(path).u32(*mode).bytes(content).done()
            }
            Self::Read { ticket, path, limit } => {
                Writer::frame(5).u32(*ticket).bytes(path).u64(*limit).done()
            }
            Self::Pack { ticket, root, patterns } => {
                Writer::frame(6).u32(*ticket).bytes(root).list(patterns).done()
            }
            Self::Unpack { ticket, root } => Writer::frame(7).u32(*ticket).bytes(root).done(),
            Self::Entry { ticket, entry } => Writer::frame(8).u32(*ticket).entry(entry).done(),
            Self::Data { ticket, bytes } => Writer::frame(9).u32(*ticket).bytes(bytes).done(),
            Self::End { ticket } => Writer::frame(10).u32(*ticket).done(),
            Self::Own { ticket, paths } => Writer::frame(11).u32(*ticket).list(paths).done(),
            Self::Relay { ticket, port, socket } => {
                Writer::frame(12).u32(*ticket).u32(u32::from(*port)).bytes(socket).done()
            }
            Self::Finish => Writer::frame(13).done(),
            Self::Stay => Writer::frame(14).done(),
            Self::Become { env, directory } => Writer::frame(15).pairs(env).bytes(directory).done(),
        }
    }

    /// Reads kind and body.
    pub fn decode(frame: &[u8]) -> io::Result<Self> {
        let mut from = Reader(frame);
        Ok(match from.u8()? {
            0 => Self::Hello { user: from.bytes()? },
            1 => Self::Start {
                step: from.u32()?,
                argv: from.list()?,
                env: from.pairs()?,
                directory: from.bytes()?,
                files: from.pairs()?,
                collect: from.list()?,
            },
            2 => Self::Signal { step: from.u32()?, signal: from.i32()? },
            3 => Self::Find { ticket: from.u32()?, program: from.bytes()? },
            4 => Self::Write {
                ticket: from.u32()?,
                path: from.bytes()?,
                mode: from.u32()?,
                content: from.bytes()?,
            },
            5 => Self::Read { ticket: from.u32()?, path: from.bytes()?, limit: from.u64()? },
            6 => Self::Pack { ticket: from.u32()?, root: from.bytes()?, patterns: from.list()? },
            7 => Self::Unpack { ticket: from.u32()?, root: from.bytes()? },
            8 => Self::Entry { ticket: from.u32()?, entry: from.entry()? },
            9 => Self::Data { ticket: from.u32()?, bytes: from.bytes()? },
            10 => Self::End { ticket: from.u32()? },
            11 => Self::Own { ticket: from.u32()?, paths: from.list()? },
            12 => Self::Relay {
                ticket: from.u32()?,
                port: u16::try_from(from.u32()?).map_err(|_| broken("no such port"))?,
                socket: from.bytes()?,
            },
            13 => Self::Finish,
            14 => Self::Stay,
            15 => Self::Become { env: from.pairs()?, directory: from.bytes()? },
            _ => return Err(broken("no such request")),
        })
    }
}

impl Answer {
    /// The whole frame, length included.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ready { uid, gid, home } => Writer::frame(0).u32(*uid).u32(*gid).bytes(home).done(),
            Self::Output { step, stderr, bytes } => {
                Writer::frame(1).u32(*step).u8(u8::from(*stderr)).bytes(bytes).done()
            }
            Self::Exited { step, code, signal, collected } => {
                Writer::frame(2).u32(*step).i32(*code).i32(*signal).pairs(collected).done()
            }
            Self::NotStarted { step, reason } => Writer::frame(3).u32(*step).bytes(reason).done(),
            Self::Done { ticket, problem } => Writer::frame(4).u32(*ticket).bytes(problem).done(),
            Self::Content { ticket, present, bytes } => {
                Writer::frame(5).u32(*ticket).u8(u8::from(*present)).bytes(bytes).done()
            }
            Self::Entry { ticket, entry } => Writer::frame(6).u32(*ticket).entry(entry).done(),
            Self::Data { ticket, bytes } => Writer::frame(7).u32(*ticket).bytes(bytes).done(),
            Self::Finished => Writer::frame(8).done(),
        }
    }

    /// Reads kind and body.
    pub fn decode(frame: &[u8]) -> io::Result<Self> {
        let mut from = Reader(frame);
        Ok(match from.u8()? {
            0 => Self::Ready { uid: from.u32()?, gid: from.u32()?, home: from.bytes()? },
            1 => Self::Output { step: from.u32()?, stderr: from.u8()? != 0, bytes: from.bytes()? },
            2 => Self::Exited {
                step: from.u32()?,
                code: from.i32()?,
                signal: from.i32()?,
                collected: from.pairs()?,
            },
            3 => Self::NotStarted { step: from.u32()?, reason: from.bytes()? },
            4 => Self::Done { ticket: from.u32()?, problem: from.bytes()? },
            5 => Self::Content { ticket: from.u32()?, present: from.u8()? != 0, bytes: from.bytes()? },
            6 => Self::Entry { ticket: from.u32()?, entry: from.entry()? },
            7 => Self::Data { ticket: from.u32()?, bytes: from.bytes()? },
            8 => Self::Finished,
            _ => return Err(broken("no such answer")),
        })
    }
}
