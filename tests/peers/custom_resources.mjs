// Validates custom resources against the schemas of their projects: reads objects in JSON from standard input.
const packages = {
  "monitoring.coreos.com/": "prometheus-operator",
  "gateway.networking.k8s.io/": "gateway-api",
  "argoproj.io/": "argo-cd",
  "helm.toolkit.fluxcd.io/": "flux-cd",
  "source.toolkit.fluxcd.io/": "flux-cd",
};
let failed = false;
for (const object of JSON.parse(await new Response(process.stdin).text())) {
  const group = Object.keys(packages).find((prefix) => object.apiVersion.startsWith(prefix));
  const { [object.kind]: Model } = await import(`@kubernetes-models/${packages[group]}/${object.apiVersion}`);
  try {
    new Model(object).validate();
    console.log(`valid: ${object.kind}/${object.metadata.name}`);
  } catch (error) {
    failed = true;
    console.log(`invalid: ${object.kind}/${object.metadata.name}: ${error.message}`);
  }
}
process.exit(failed ? 1 : 0);
