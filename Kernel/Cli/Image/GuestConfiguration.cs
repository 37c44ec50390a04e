using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Image;

// The one file a guest is configured by, as docs/IMAGE.md describes it for any machine. Plugin ids
// and settings are configuration text, as a person would write it.

/// <summary>The configuration of one guest.</summary>
internal static class GuestConfiguration
{
    private const long LogBytes = 64L * Size.MiB;

    // An emulated processor takes as long for one turn as a real one for fifty.
    private const int EmulatedBeatMs = 10;

    // Soft RoCE in an emulated guest answers late, and what is sent again meanwhile makes it later.
    private const int EmulatedAckTimeout = 16;

    // Two guests that are started together may be ready this much apart.
    private const int PartnerWaitMs = 5_000;
    private const int EmulatedPartnerWaitMs = 30_000;
    private const int RdmaPort = 7471;
    private const string MemoryAddress = "0x5000000000";
    private const string WitnessFolder = "/run/witness";

    /// <summary>The file's content.</summary>
    internal static JsonObject Of(string name, string pairId, GuestSettings guests)
    {
        string other = PairLayout.Other(name);
        return new JsonObject
        {
            ["node"] = new JsonObject
            {
                ["name"] = name,
                ["systemId"] = PairLayout.SystemId(name),
                ["dataDirectory"] = "/state/node",
                ["nvramDirectory"] = "/run/nvram",
                ["persistence"] = "power",
                ["beatMs"] = guests.Accelerator == "kvm" ? 2 : EmulatedBeatMs,
                ["watchdog"] = "/dev/watchdog",
            },
            ["partner"] = new JsonObject
            {
                ["name"] = other,
                ["systemId"] = PairLayout.SystemId(other),
                ["address"] = GuestNetwork.Interconnect(other),
                ["port"] = RdmaPort,
                ["memoryAddress"] = MemoryAddress,
            },
            ["pair"] = new JsonObject { ["id"] = pairId, ["keyFile"] = "pair.key" },
            ["transport"] = new JsonObject
            {
                ["name"] = guests.Transport,
                ["address"] = GuestNetwork.Interconnect(name),
                ["port"] = RdmaPort,
                ["memoryAddress"] = MemoryAddress,
                ["options"] = Options(guests),
            },
            ["management"] = new JsonObject
            {
                ["socket"] = "/run/storageos/manage.sock",
                ["address"] = $"{GuestNetwork.Lan(name)}:{GuestNetwork.ManagementPort}",
                ["keyFile"] = "manage.key",
                ["console"] = "/dev/console",
            },
            ["plugins"] = Plugins(guests),
            ["machine"] = Machine(name),
        };
    }

    private static JsonObject Options(GuestSettings guests)
    {
        JsonObject options = new() { ["verbs.persistent"] = "true" };
        if (guests.Accelerator != "kvm")
        {
            options["verbs.ack-timeout"] = $"{EmulatedAckTimeout}";
        }

        return options;
    }

    private static JsonObject Plugins(GuestSettings guests)
    {
        JsonObject plugins = new()
        {
            ["waitFor"] = new JsonArray("/run/storageos/disks"),
            ["waitForPartnerMs"] =
                guests.Accelerator == "kvm" ? PartnerWaitMs : EmulatedPartnerWaitMs,
            ["settings"] = PluginSettings(guests),
        };
        if (guests.PluginFolders is { } folders)
        {
            plugins["directories"] = new JsonArray(
                [.. folders.Select(static folder => JsonValue.Create(folder))]);
        }

        return plugins;
    }

    private static JsonObject PluginSettings(GuestSettings guests)
    {
        JsonArray volumes = [];
        JsonArray addresses = [];
        for (int group = 0; group < PairLayout.Names.Count; group++)
        {
            volumes.Add(new JsonObject
            {
                ["name"] = $"vol{group}",
                ["group"] = group,
                ["sizeBytes"] = guests.SizeBytes,
                ["device"] = $"/run/storageos/volumes/vol{group}",
            });
            addresses.Add(new JsonObject
            {
                ["group"] = group,
                ["host"] = GuestNetwork.Service(group),
                ["port"] = GuestNetwork.NbdPort + group,
                ["socket"] = "/run/storageos/addresses",
                ["interface"] = "eth1",
            });
        }

        return new JsonObject
        {
            ["nvram-mirror"] = new JsonObject { ["logBytes"] = LogBytes },
            ["volumes"] = new JsonObject { ["volumes"] = volumes },
            ["witness-file"] = new JsonObject { ["directory"] = WitnessFolder },
            ["nbd-export"] = new JsonObject { ["addresses"] = addresses },
        };
    }

    private static JsonObject Machine(string name) => new()
    {
        ["interfaces"] = new JsonArray(
            new JsonObject
            {
                ["name"] = "eth0",
                ["address"] = $"{GuestNetwork.Interconnect(name)}/24",
                ["mtu"] = 9000,
                ["rdma"] = "soft",
            },
            new JsonObject
            {
                ["name"] = "eth1",
                ["address"] = $"{GuestNetwork.Lan(name)}/24",
            }),
        ["nvram"] = "pmem",
        ["mounts"] = new JsonArray(new JsonObject
        {
            ["type"] = "9p",
            ["source"] = "witness",
            ["target"] = WitnessFolder,
            ["options"] = "trans=virtio,version=9p2000.L,cache=none,access=any",
        }),
    };
}
