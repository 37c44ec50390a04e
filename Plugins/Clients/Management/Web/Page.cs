using System.Collections.Frozen;
using System.Reflection;
using Microsoft.AspNetCore.Http;

namespace StorageOs.Management.Web;

/// <summary>The page: files in this assembly, and nothing from elsewhere.</summary>
internal static class Page
{
    private const string Prefix = "Page/";
    private static readonly Assembly Assembly = typeof(Page).Assembly;

    private static readonly FrozenDictionary<string, string> Types =
        new Dictionary<string, string>
        {
            [".html"] = "text/html; charset=utf-8",
            [".css"] = "text/css; charset=utf-8",
            [".js"] = "text/javascript; charset=utf-8",
            [".svg"] = "image/svg+xml",
        }.ToFrozenDictionary();

    private static readonly FrozenSet<string> Names = Assembly.GetManifestResourceNames()
        .Where(static name => name.StartsWith(Prefix, StringComparison.Ordinal))
        .Select(static name => name[Prefix.Length..]).ToFrozenSet();

    /// <summary>Whether a path is one of the page's files.</summary>
    public static bool Has(string path) => Names.Contains(NameOf(path));

    /// <summary>Answers with the file at a path, which is there.</summary>
    public static IResult Get(string path)
    {
        string name = NameOf(path);
        return Results.Stream(
            Assembly.GetManifestResourceStream(Prefix + name)!, Types[Path.GetExtension(name)]);
    }

    /// <summary>What a browser is told beside every answer.</summary>
    public static void PutHeaders(IHeaderDictionary headers)
    {
        // The page asks its own node and the partner, whose address is not known before.
        headers.ContentSecurityPolicy = "default-src 'self'; connect-src *; base-uri 'none'; "
            + "form-action 'none'; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.CacheControl = "no-store";
    }

    private static string NameOf(string path) => path == "/" ? "index.html" : path.TrimStart('/');
}
