using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace StorageOs.Management.Web;

/// <summary>What the OpenAPI document says beside the addresses.</summary>
internal static class ApiDocument
{
    private const string Bearer = "token";

    /// <summary>Adds it.</summary>
    public static void Describe(OpenApiOptions options) =>
        options.AddDocumentTransformer(static (document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "StorageOs node",
                Version = "1",
                Description = "One node of a pair: what it knows, and what it can be asked to do.",
            };
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes ??=
                new Dictionary<string, IOpenApiSecurityScheme>();
            document.Components.SecuritySchemes[Bearer] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                Description = "A token of the node's file of tokens; none on its Unix socket.",
            };
            document.Security =
            [
                new OpenApiSecurityRequirement
                {
                    [new OpenApiSecuritySchemeReference(Bearer, document)] = [],
                },
            ];
            return Task.CompletedTask;
        });
}
