mod key;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sluice_registry::image::{self, Content, CopyOptions, Limits, Location, PackOptions};
use sluice_registry::{Credentials, Platform};
use tokio::signal::unix::{SignalKind, signal};

use crate::{Exit, show};

/// A LOCATION is HOST/NAME:TAG or HOST/NAME@DIGEST in a registry, oci:FOLDER[:TAG], or oci-archive:FILE[:TAG].
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// The account for registries that ask for one
    #[arg(long, env = "SLUICE_REGISTRY_USER", value_name = "NAME", global = true)]
    user_name: Option<String>,
    /// Its password or token
    #[arg(
        long,
        env = "SLUICE_REGISTRY_PASSWORD",
        hide_env_values = true,
        value_name = "TOKEN",
        global = true
    )]
    password: Option<String>,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Make an image of files and folders, without any engine; the same input gives the same digest
    Pack(Pack),
    /// Copy an image between registries, layout folders and archives; digests stay
    Copy { from: Location, to: Location },
    /// Show an image's manifest and configuration
    Inspect {
        image: Location,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the tags of a repository, a layout folder or an archive
    Ls {
        place: Location,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Unpack an image into a new or empty folder
    Unpack { image: Location, folder: PathBuf },
    /// Remove a tag, or a manifest by its digest
    Rm { image: Location },
    /// Say who built an image, from which commit, in which run, once a trusted key has signed it; exit code 1 if none has
    Verify(verify::Args),
    /// Print the public key that a server signs images with
    Key(key::Args),
}

#[derive(clap::Args)]
struct Pack {
    /// PATH, or PATH=PATH_IN_IMAGE; a file goes to /NAME, the content of a folder to /
    #[arg(required = true, value_name = "PATH[=TARGET]")]
    contents: Vec<String>,
    /// Where the image goes
    #[arg(long, value_name = "LOCATION")]
    to: Location,
    /// An image to build on
    #[arg(long, value_name = "LOCATION")]
    base: Option<Location>,
    /// One word of the entrypoint; may be repeated
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    entrypoint: Vec<String>,
    /// One word of the command; may be repeated
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    cmd: Vec<String>,
    /// A variable; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// A label; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Who runs it: a name or a number, with or without :GROUP
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Where it runs
    #[arg(long, value_name = "PATH")]
    workdir: Option<String>,
    /// A port that it listens on; may be repeated
    #[arg(long, value_name = "PORT")]
    port: Vec<String>,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let credentials = args.credentials()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        // What was begun takes its temporary folder with it.
        tokio::select! {
            ended = args.verb.carry_out(credentials.as_ref()) => ended,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Signalled(2)),
            _ = terminated.recv() => Ok(Exit::Signalled(15)),
        }
    });
    // A thread that still packs does so for nobody.
    runtime.shutdown_background();
    ended
}

impl Args {
    fn credentials(&self) -> anyhow::Result<Option<Credentials>> {
        match (&self.user_name, &self.password) {
            (Some(username), Some(password)) => {
                Ok(Some(Credentials::Basic { username: username.clone(), password: password.clone() }))
            }
            (None, None) => Ok(None),
            _ => bail!(
                "--user-name and --password go together (or SLUICE_REGISTRY_USER and SLUICE_REGISTRY_PASSWORD)"
            ),
        }
    }
}

impl Verb {
    async fn carry_out(&self, credentials: Option<&Credentials>) -> anyhow::Result<Exit> {
        let known = |location: &Location| match credentials {
            Some(credentials) => location.clone().with_credentials(credentials.clone()),
            None => location.clone(),
        };
        match self {
            Self::Pack(pack) => {
                let to = known(&pack.to);
                let packed = image::pack(&pack.options(pack.base.as_ref().map(known))?, &to).await?;
                println!("{to}\n{} ({} bytes)", packed.digest, packed.size_bytes);
            }
            Self::Copy { from, to } => {
                let copied = image::copy(&known(from), &known(to), &CopyOptions::default()).await?;
                println!(
                    "{to}\n{} ({} blobs copied, {} there already)",
                    copied.digest, copied.blobs, copied.blobs_present
                );
            }
            Self::Inspect { image, json } => {
                let inspected = image::inspect(&known(image), None).await?;
                if *json {
                    show::json(&inspected)?;
                } else {
                    tell(&inspected);
                }
            }
            Self::Ls { place, json } => {
                let listed = image::list(&known(place)).await?;
                if *json {
                    show::json(&listed)?;
                } else {
                    let row = |entry: &image::Listed| {
                        let tag = entry.tag.as_ref().map_or("–".to_owned(), ToString::to_string);
                        [tag, entry.digest.to_string(), entry.media_type.clone()]
                    };
                    show::table(["TAG", "DIGEST", "TYPE"], listed.iter().map(row));
                }
            }
            Self::Unpack { image, folder } => {
                let unpacked =
                    image::unpack(&known(image), &Platform::host(), folder, Limits::default()).await?;
                println!("{}: {} entries, {} bytes", folder.display(), unpacked.entries, unpacked.bytes);
                for skipped in &unpacked.skipped {
                    anstream::eprintln!("left out, for it is no file, folder or link: {}", skipped.display());
                }
            }
            Self::Rm { image } => image::remove(&known(image)).await?,
            Self::Verify(args) => return verify::run(args, known(&args.image)).await,
            Self::Key(args) => key::run(args).await?,
        }
        Ok(Exit::Done)
    }
}

impl Pack {
    fn options(&self, base: Option<Location>) -> anyhow::Result<PackOptions> {
        let contents =
            self.contents.iter().map(|content| content_of(content)).collect::<anyhow::Result<_>>()?;
        let words = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
        Ok(PackOptions {
            base,
            entrypoint: words(&self.entrypoint),
            cmd: words(&self.cmd),
            env: pairs(&self.env, "--env")?,
            labels: pairs(&self.label, "--label")?,
            user: self.user.clone(),
            working_dir: self.workdir.clone(),
            exposed_ports: self.port.clone(),
            ..PackOptions::new(contents)
        })
    }
}

fn content_of(text: &str) -> anyhow::Result<Content> {
    let (from, to) = match text.split_once('=') {
        Some((from, to)) => (from, Some(to.to_owned())),
        None => (text, None),
    };
    let from = PathBuf::from(from);
    let to = match to {
        Some(to) if to.starts_with('/') => to,
        Some(to) => bail!("`{text}`: the path in the image, `{to}`, does not begin with `/`"),
        None if from.is_dir() => "/".to_owned(),
        None => format!("/{}", name_of(&from)?),
    };
    Ok(Content { from, to })
}

fn name_of(path: &Path) -> anyhow::Result<String> {
    let name = path.file_name().with_context(|| format!("`{}` names no file", path.display()))?;
    Ok(name.to_string_lossy().into_owned())
}

fn pairs(pairs: &[String], flag: &str) -> anyhow::Result<BTreeMap<String, String>> {
    pairs
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => bail!("{flag} `{pair}`: expected KEY=VALUE"),
        })
        .collect()
}

fn tell(image: &image::Inspected) {
    println!("{}\ndigest    {}\ntype      {}", image.name, image.digest, image.media_type);
    for manifest in &image.manifests {
        println!("manifest  {} {}", manifest.digest, manifest.media_type);
    }
    let Some(config) = &image.config else { return };
    println!(
        "platform  {}/{}\nsize      {} bytes",
        config.platform.os, config.platform.architecture, image.size_bytes
    );
    let process = &config.config;
    println!("runs      {}", [process.entrypoint.as_slice(), &process.cmd].concat().join(" "));
    println!("user      {}", if process.user.is_empty() { "root" } else { &process.user });
    for variable in &process.env {
        println!("env       {variable}");
    }
    for (name, value) in &process.labels {
        println!("label     {name}={value}");
    }
    for layer in &image.layers {
        println!("layer     {} {} bytes", layer.digest, layer.size);
    }
}
