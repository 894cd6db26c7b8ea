import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { Sysfs } from '../interfaces/sysfs.js';

const bridge = 'devices/pci0000:00';

/** Where an interface is in the tree, to be moved out of it and back as namespaces do. */
export interface TreeNetdev {
  /** [present place, place aside] of directory and link. */
  readonly leave: readonly (readonly [string, string])[];
  /** The same back, under a name. */
  back(name: string): readonly (readonly [string, string])[];
}

/** A sysfs in a temporary directory, laid out as Linux 6.x does it for network devices on the PCI bus. */
export class SysfsTree {
  readonly root = mkdtempSync(join(tmpdir(), 'infra-agent-sysfs-'));
  readonly sysfs = new Sysfs(this.root);

  constructor() {
    for (const path of ['class/net', 'bus/auxiliary/devices', 'bus/pci/drivers', 'aside', bridge])
      this.#directory(path);
  }

  /** A physical function with its interface. */
  addPf(name: string, address: string, mac = '00:00:00:00:00:01'): void {
    this.#directory(`${bridge}/${address}`);
    this.addNetdev(name, `${bridge}/${address}`, mac);
  }

  /** A virtual function; `name` undefined makes none of its interface, `driver` undefined leaves it unbound. */
  addVf(
    pfAddress: string,
    id: number,
    address: string,
    driver: string | undefined,
    netdev?: { readonly name: string; readonly mac: string },
  ): TreeNetdev | undefined {
    const path = `${bridge}/${address}`;
    this.#directory(path);
    this.#link(path, `${bridge}/${pfAddress}/virtfn${id}`);
    if (driver !== undefined) {
      this.#directory(`bus/pci/drivers/${driver}`);
      this.#link(`bus/pci/drivers/${driver}`, `${path}/driver`);
    }
    return netdev && this.addNetdev(netdev.name, path, netdev.mac);
  }

  /** A subfunction as an auxiliary device, with its interface. */
  addSf(pfAddress: string, device: string, sfnum: number, name: string, mac: string): TreeNetdev {
    const path = `${bridge}/${pfAddress}/${device}`;
    this.#directory(path);
    this.#file(`${path}/sfnum`, `${sfnum}\n`);
    this.#link(path, `bus/auxiliary/devices/${device}`);
    return this.addNetdev(name, path, mac);
  }

  /** A port of a PCI function itself, told apart by its number only. */
  addPort(pfAddress: string, name: string, devPort: number, mac: string): TreeNetdev {
    return this.addNetdev(name, `${bridge}/${pfAddress}`, mac, devPort);
  }

  addNetdev(name: string, device: string, mac: string, devPort = 0): TreeNetdev {
    const path = `${device}/net/${name}`;
    this.#directory(path);
    this.#file(`${path}/address`, `${mac}\n`);
    this.#file(`${path}/dev_port`, `${devPort}\n`);
    symlinkSync(`../../../${basename(device)}`, join(this.root, path, 'device'));
    this.#link(path, `class/net/${name}`);
    const aside = join(this.root, 'aside', name);
    return {
      leave: [
        [join(this.root, 'class/net', name), `${aside}.link`],
        [join(this.root, path), aside],
      ],
      back: (newName) => {
        // The link of the class must lead to the new name.
        this.#link(`${device}/net/${newName}`, `aside/${newName}.new`, 'class/net');
        return [
          [aside, join(this.root, device, 'net', newName)],
          [join(this.root, 'aside', `${newName}.new`), join(this.root, 'class/net', newName)],
        ];
      },
    };
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  #directory(path: string): void {
    mkdirSync(join(this.root, path), { recursive: true });
  }

  #file(path: string, text: string): void {
    writeFileSync(join(this.root, path), text);
  }

  /** Relative, as the links of sysfs are; `from` is the directory that the link will be in if not where it is made. */
  #link(target: string, path: string, from = join(path, '..')): void {
    const place = join(this.root, path);
    rmSync(place, { force: true });
    symlinkSync(relative(join(this.root, from), join(this.root, target)), place);
  }
}
