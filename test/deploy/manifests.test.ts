import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { Job } from 'kubernetes-models/batch/v1/Job';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { Service } from 'kubernetes-models/v1/Service';
import { parse } from 'yaml';
import { serveCommand } from '../../cli/commands/serve.js';
import { parseConfig } from '../../lib/index.js';
import { ServiceConfig } from '../../serve/config.js';
import { workerCount } from '../../serve/pool/size.js';
import { tinyService } from '../serve/tiny-service.js';

const kubernetes = 'deploy/kubernetes';
const read = (file: string) => parse(fs.readFileSync(file, 'utf8')) as Record<string, unknown>;
const filesIn = (folder: string) =>
  fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ya?ml|json)$/.test(file))
    .map((file) => path.join(folder, file));

/** Flags of the service in arguments, as its config. @throws where a flag is not one of its. */
function settingsOf(args: readonly string[]): ServiceConfig {
  const known = new Map(serveCommand().options.map(({ long, attributeName }) => [long!, attributeName]));
  const values: Record<string, unknown> = {};
  for (const argument of args) {
    const [, flag, value] = /^(--[\w-]+)(?:=(.*))?$/.exec(argument) ?? [];
    expect([...known.keys()]).to.include(flag);
    const name = flag.slice(2).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    values[name] = Number.isNaN(Number(value)) ? value : Number(value);
  }
  return parseConfig(ServiceConfig, values, args.join(' '));
}

interface Container {
  readonly args?: string[];
  readonly command?: string[];
  readonly resources: { readonly limits: { readonly memory: string } };
  readonly startupProbe: { readonly httpGet: { readonly path: string } };
  readonly readinessProbe: { readonly httpGet: { readonly path: string } };
  readonly livenessProbe: { readonly httpGet: { readonly path: string } };
}
const podOf = (file: string) =>
  (read(file) as { spec: { template: { spec: { containers: Container[]; terminationGracePeriodSeconds: number } } } })
    .spec.template.spec;

describe('the manifests for Kubernetes', function () {
  this.timeout(120_000).slow(20_000);
  const models = { Deployment, HorizontalPodAutoscaler, Job, NetworkPolicy, PodDisruptionBudget, Service };

  for (const file of filesIn(kubernetes).filter((name) => /\.ya?ml$/.test(name))) {
    const { kind } = read(file) as { kind: string };
    if (!Object.hasOwn(models, kind)) continue;
    it(`have only fields of Kubernetes: ${path.relative(kubernetes, file)}`, () => {
      const Model = models[kind as keyof typeof models] as new (data: object) => { validate(): void };
      const manifest = structuredClone(read(file)) as { spec?: { selector?: object; template?: object } };
      // Kustomize adds the labels by which pods are selected.
      if (kind === 'Deployment') manifest.spec!.selector = { matchLabels: { 'app.kubernetes.io/name': 'captioner' } };
      new Model(manifest).validate();
    });
  }

  it('are all named by kustomizations, which name no other files', () => {
    for (const folder of ['service', 'monitoring'].map((name) => path.join(kubernetes, name))) {
      const { resources, configMapGenerator = [] } = read(path.join(folder, 'kustomization.yaml')) as {
        resources: string[];
        configMapGenerator?: { files: string[] }[];
      };
      const named = [...resources, ...configMapGenerator.flatMap(({ files }) => files), 'kustomization.yaml'];
      expect(fs.readdirSync(folder)).to.have.members(named);
    }
  });

  it('start the service with flags that it has, probe routes that it has, and leave it time to stop', async () => {
    const { containers, terminationGracePeriodSeconds } = podOf(`${kubernetes}/service/deployment.yaml`);
    const [{ args, startupProbe, readinessProbe, livenessProbe }] = containers;
    const { drain, shutdownTimeout, trustProxy } = settingsOf(args!);
    expect(trustProxy).to.equal('1');
    expect(terminationGracePeriodSeconds).to.be.above(drain + shutdownTimeout);
    const service = await tinyService();
    for (const { httpGet } of [startupProbe, readinessProbe, livenessProbe]) {
      expect(service.server.hasRoute({ method: 'GET', url: httpGet.path })).to.equal(true);
    }
    await service.close();
  });

  it('give the service enough memory for its workers', () => {
    const [{ args, resources }] = podOf(`${kubernetes}/service/deployment.yaml`).containers;
    const { workers, megapixelsInFlight, maxUploadMegabytes } = settingsOf(args!);
    const [, gibibytes] = /^(\d+)Gi$/.exec(resources.limits.memory)!;
    const use = { maxPixelsInFlight: megapixelsInFlight * 1e6, uploadBytes: maxUploadMegabytes * 2 ** 20 };
    expect(workerCount(use, { cores: 64, memory: Number(gibibytes) * 2 ** 30 })).to.be.at.least(workers);
  });

  it('request metrics that the service has', async () => {
    const service = await tinyService();
    await service.ready();
    await service.server.inject({ method: 'POST', url: '/caption', payload: fs.readFileSync('data/samples/cat.jpg') });
    const { payload } = await service.server.inject('/metrics');
    await service.close();
    const asked = [...filesIn(kubernetes), 'README.md']
      .filter((file) => fs.existsSync(file))
      .flatMap((file) => fs.readFileSync(file, 'utf8').match(/\bcaptioner_[a-z_]+\b/g) ?? []);
    expect(new Set(asked)).to.have.property('size').above(8);
    for (const name of new Set(asked)) expect(payload, name).to.match(new RegExp(`^${name}[ {]`, 'm'));
  });
});

describe('the compose file', () => {
  /** https://github.com/compose-spec/compose-spec/blob/main/05-services.md */
  const attributes = (
    'annotations attach build blkio_config cpu_count cpu_percent cpu_shares cpu_period cpu_quota cpu_rt_runtime cpu_rt_period cpus cpuset ' +
    'cap_add cap_drop cgroup cgroup_parent command configs container_name credential_spec depends_on deploy develop device_cgroup_rules ' +
    'devices dns dns_opt dns_search domainname driver_opts entrypoint env_file environment expose extends external_links extra_hosts gpus ' +
    'group_add healthcheck hostname image init ipc isolation labels links logging mac_address mem_limit mem_reservation mem_swappiness ' +
    'memswap_limit models network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform ports post_start pre_stop privileged ' +
    'profiles provider pull_policy read_only restart runtime scale secrets security_opt shm_size stdin_open stop_grace_period stop_signal ' +
    'storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes volumes_from working_dir'
  ).split(' ');
  const { services, ...rest } = read('compose.yaml') as {
    services: Record<string, Record<string, unknown>>;
  };

  it('has the fields of its specification, and flags and variables of the service', () => {
    expect(['name', 'networks', 'volumes', 'configs', 'secrets']).to.include.members(Object.keys(rest));
    const { captioner } = services;
    expect(attributes).to.include.members(Object.keys(captioner));
    const help = serveCommand().helpInformation();
    for (const name of Object.keys(captioner.environment as object))
      expect(`${help}${environmentOf()}`).to.include(name);
    settingsOf(captioner.command as string[]);
  });

  /** Names of variables in the help after the options. */
  function environmentOf(): string {
    let help = '';
    serveCommand()
      .configureOutput({ writeOut: (text) => (help += text) })
      .outputHelp();
    return help;
  }
});
