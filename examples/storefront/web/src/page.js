// Shows what the API answers. Where the API is comes at run time, so that one image serves every environment.

const show = (id, text) => { document.getElementById(id).textContent = text; };
const read = async (address) => {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} answered ${response.status}`);
  return response.json();
};

try {
  const settings = await read("/settings.json");
  show("web-version", settings.version);
  const [home, version] = await Promise.all([read(`${settings.api_url}/`), read(`${settings.api_url}/version`)]);
  show("greeting", home.greeting);
  show("api-version", version.version);
} catch (error) {
  show("problem", `The storefront cannot be reached: ${error.message}`);
}
