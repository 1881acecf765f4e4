use std::path::PathBuf;

use anyhow::{Context, bail};
use sluice_registry::attest::sbom::Bom;
use sluice_registry::attest::{self, Attestation, CYCLONEDX, PublicKey, Statement, Verified};
use sluice_registry::image::Location;
use sluice_wire::Client;

use crate::{Exit, show};

#[derive(clap::Args)]
pub struct Args {
    pub image: Location,
    /// Trust these public keys (PEM) only [default: those of the server that holds the image]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Write the image's bill of materials (CycloneDX) to a file
    #[arg(long, value_name = "FILE")]
    sbom: Option<PathBuf>,
    /// Print the provenance (SLSA) as JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &Args, image: Location) -> anyhow::Result<Exit> {
    match verify(args, &image).await {
        Ok(()) => Ok(Exit::Done),
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            Ok(Exit::Failed)
        }
    }
}

async fn verify(args: &Args, image: &Location) -> anyhow::Result<()> {
    let verified = attest::verify(image, &keys(args, image).await?).await?;
    let bom = verified.attestations.iter().find(|attestation| attestation.predicate_type == CYCLONEDX);
    if let Some(file) = &args.sbom {
        let bom = bom.with_context(|| format!("{image} has no signed bill of materials"))?;
        let statement: Statement<serde_json::Value> = serde_json::from_slice(&bom.statement)?;
        std::fs::write(file, serde_json::to_vec_pretty(&statement.predicate)?)
            .with_context(|| file.display().to_string())?;
    }
    match args.json {
        true => show::json(&verified.provenance),
        false => tell(image, &verified, bom),
    }
}

fn tell(image: &Location, verified: &Verified, bom: Option<&Attestation>) -> anyhow::Result<()> {
    let definition = &verified.provenance.build_definition;
    let details = &verified.provenance.run_details;
    let external = |name: &str| definition.external_parameters.get(name).map_or("?", String::as_str);
    let internal = |name: &str| definition.internal_parameters.get(name).map_or("?", String::as_str);
    let source = definition.resolved_dependencies.first();
    let commit = source.and_then(|source| source.digest.get("gitCommit")).map_or("?", String::as_str);
    println!("{image}\ndigest    {}", verified.digest);
    println!("built by  {}, for {}", details.builder.id, external("actor"));
    println!("from      {} {} at {commit}", external("repository"), external("ref"));
    println!(
        "in        {}: {}, job {}, attempt {}",
        details.metadata.invocation_id,
        external("workflow"),
        internal("job"),
        internal("attempt")
    );
    if let Some(at) = &details.metadata.finished_on {
        println!("pushed    {at}");
    }
    if let Some(bom) = bom {
        let statement: Statement<Bom> = serde_json::from_slice(&bom.statement)?;
        let packages =
            statement.predicate.components.iter().filter(|component| component.kind == "library").count();
        let noun = if packages == 1 { "package" } else { "packages" };
        println!("contains  {packages} {noun} (--sbom FILE lists them)");
    }
    Ok(())
}

async fn keys(args: &Args, image: &Location) -> anyhow::Result<Vec<PublicKey>> {
    let (place, text) = match (&args.key, image) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            (file.display().to_string(), text)
        }
        (None, Location::Registry { endpoint, .. }) => {
            let url = endpoint.url("");
            let keys = Client::new(&url, None)?.signing_keys().await;
            let keys = keys
                .with_context(|| format!("{url} gives no keys to verify with: give them with --key FILE"))?;
            (url, keys.pem.concat())
        }
        (None, _) => bail!("whose signature is to be trusted? Give the public key with --key FILE"),
    };
    let blocks = text.split_inclusive("-----END PUBLIC KEY-----").filter(|block| block.contains("BEGIN"));
    let keys: Vec<PublicKey> =
        blocks.map(PublicKey::from_pem).collect::<Result<_, _>>().context(place.clone())?;
    if keys.is_empty() {
        bail!("{place} holds no public key in PEM, which begins with `-----BEGIN PUBLIC KEY-----`");
    }
    Ok(keys)
}
