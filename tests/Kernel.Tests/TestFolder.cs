namespace StorageOs.Kernel.Tests;

/// <summary>A folder of one test, with what a node needs in it; removed at its end.</summary>
internal sealed class TestFolder : IDisposable
{
    internal string Path { get; } =
        Directory.CreateTempSubdirectory("storageos-test-").FullName;

    internal string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>The pair key; made once.</summary>
    internal string Key()
    {
        string key = File("pair.key");
        if (!System.IO.File.Exists(key))
        {
            System.IO.File.WriteAllBytes(key, new byte[32]);
            System.IO.File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        return key;
    }

    /// <summary>A good configuration of node a.</summary>
    internal string Configuration(string plugins = "{}")
    {
        Key();
        string file = File("node.json");
        System.IO.File.WriteAllText(file, $$"""
            {
              "node": { "name": "a", "systemId": "000000000000000a", "dataDirectory": "data",
                        "nvramDirectory": "nvram" },
              "partner": { "name": "b", "systemId": "b", "address": "fc:010204", "port": 1,
                           "memoryAddress": "0x5000000000" },
              "pair": { "id": "6c1b1c0e-7d1f-4d37-a5b5-0f8e1c2d3e4f", "keyFile": "pair.key" },
              "transport": { "name": "silent", "address": "fc:010203", "port": 1,
                             "memoryAddress": "0x5000000000",
                             "options": { "fabric": "/tmp/f" } },
              "management": { "socket": "manage.sock" },
              "plugins": {{plugins}}
            }
            """);
        return file;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
