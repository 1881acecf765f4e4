// Finds with the toolkits what save.mjs and a built-in action left in an earlier job.
import fs from 'node:fs'

const load = async name => {
  const folder = `${process.env.INPUT_TOOLKITS}/node_modules/${name}`
  return await import(`${folder}/${JSON.parse(fs.readFileSync(`${folder}/package.json`)).main}`)
}
const content = folder => `${fs.readFileSync(`${folder}/a.txt`)} ${fs.statSync(`${folder}/sub/large.bin`).size}`

for (const version of ['cache-4', 'cache-6']) {
  const cache = await load(version)
  fs.rmSync('kept', { recursive: true, force: true })
  console.log(`restored ${version} ${await cache.restoreCache(['kept'], 'none', [`${version}-deps-`])} ${content('kept')}`)
  console.log(`missed ${version} ${await cache.restoreCache(['other'], `${version}-deps-1`)}`)
}
for (const version of ['artifact-2', 'artifact-6']) {
  const artifact = await load(version)
  const client = new artifact.DefaultArtifactClient()
  const { artifacts } = await client.listArtifacts()
  console.log(`listed ${artifacts.map(one => one.name).join(' ')}`)
  const found = (await client.getArtifact(version)).artifact
  await client.downloadArtifact(found.id, { path: `down/${version}` })
  console.log(`read ${version} ${content(`down/${version}`)}`)
  const builtIn = (await client.getArtifact('built-in')).artifact
  await client.downloadArtifact(builtIn.id, { path: `down/built-in-${version}` })
  console.log(`read built-in ${fs.readFileSync(`down/built-in-${version}/b.txt`)}`)
  await client.deleteArtifact(version)
  await client.getArtifact(version).then(
    () => console.log('still there'),
    () => console.log(`removed ${version}`)
  )
}
