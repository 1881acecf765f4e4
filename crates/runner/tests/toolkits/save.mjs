// Saves with the toolkits what restore.mjs finds in a later job.
import fs from 'node:fs'

const load = async name => {
  const folder = `${process.env.INPUT_TOOLKITS}/node_modules/${name}`
  return await import(`${folder}/${JSON.parse(fs.readFileSync(`${folder}/package.json`)).main}`)
}

fs.mkdirSync('kept/sub', { recursive: true })
fs.writeFileSync('kept/a.txt', 'one')
// Beyond one block of an artifact's upload.
fs.writeFileSync('kept/sub/large.bin', Buffer.alloc(20 * 1024 * 1024, 'x').map((_, at) => at % 251))

for (const version of ['cache-4', 'cache-6']) {
  const cache = await load(version)
  const id = await cache.saveCache(['kept'], `${version}-deps-1`)
  console.log(`saved ${version} ${id > 0}`)
  console.log(`again ${version} ${await cache.saveCache(['kept'], `${version}-deps-1`)}`)
}
for (const version of ['artifact-2', 'artifact-6']) {
  const artifact = await load(version)
  const client = new artifact.DefaultArtifactClient()
  const files = ['kept/a.txt', 'kept/sub/large.bin']
  const stored = await client.uploadArtifact(version, files, 'kept')
  console.log(`stored ${version} ${stored.id > 0} ${stored.size > 0}`)
  await client.uploadArtifact(version, files, 'kept').then(
    () => console.log('stored twice'),
    error => console.log(`refused ${version} ${/already exists/.test(error.message)}`)
  )
}
