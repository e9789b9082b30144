// Judges Kubernetes objects by the queries of KICS, with its engine and without the rest of it: the whole program brings
// the parsers of a dozen other formats, and compiles each query anew for whatever it is given.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/Checkmarx/kics/v2/pkg/engine"
	"github.com/Checkmarx/kics/v2/pkg/engine/source"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/util"
	"github.com/rs/zerolog"
)

// What a query found of an object, and where in it: KICS calls that the search key.
type finding struct {
	Query string `json:"query"`
	Kind  string `json:"kind"`
	Key   string `json:"key"`
}

// How many queries were asked, and what each list of objects was found to have, in their order.
type report struct {
	Queries  int         `json:"queries"`
	Findings [][]finding `json:"findings"`
}

// What the engine is told to count with while it loads queries. Anything else would be a nil pointer.
type tracker struct{ engine.Tracker }

func (tracker) TrackQueryLoad(int)  {}
func (tracker) GetOutputLines() int { return 1 }

// Reads a list of lists of objects, those of one list being applied together; writes a report.
func main() {
	// It misses files about an older numbering of findings. What matters here is an error, or too few queries.
	zerolog.SetGlobalLevel(zerolog.Disabled)
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "kics:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var lists [][]map[string]any
	if err := util.NewJSONDecoder(os.Stdin).Decode(&lists); err != nil {
		return err
	}
	inputs := make([]ast.Value, len(lists))
	for i, objects := range lists {
		input, err := documents(objects)
		if err != nil {
			return err
		}
		inputs[i] = input
	}
	loader, err := load(ctx)
	if err != nil {
		return err
	}
	queries := loader.QueriesMetadata
	said := report{Queries: len(queries), Findings: make([][]finding, len(lists))}
	for i := range queries {
		prepared, err := loader.LoadQuery(ctx, &queries[i])
		if err != nil {
			return fmt.Errorf("%s: %w", queries[i].Query, err)
		}
		for j, input := range inputs {
			found, err := ask(ctx, prepared, input)
			if err != nil {
				return fmt.Errorf("%s: %w", queries[i].Query, err)
			}
			for _, one := range found {
				object, err := strconv.Atoi(one.DocumentID)
				if err != nil {
					return fmt.Errorf("%s: %w", queries[i].Query, err)
				}
				kind, _ := lists[j][object]["kind"].(string)
				said.Findings[j] = append(said.Findings[j], finding{queries[i].Query, kind, one.SearchKey})
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(said)
}

// The queries for Kubernetes, which `build` puts beside this program.
func load(ctx context.Context) (*engine.QueryLoader, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	queries := filepath.Join(filepath.Dir(program), "kics-queries")
	libraries := source.LibrariesDefaultBasePath // Means those that are embedded.
	files := source.NewFilesystemSource([]string{queries}, []string{"kubernetes"}, nil, libraries, false)
	all := &source.QueryInspectorParameters{}
	inspector, err := engine.NewInspector(ctx, files, nil, tracker{}, all, nil, 60, false, false, 1, false)
	if err != nil {
		return nil, err
	}
	return inspector.QueryLoader, nil
}

// Objects as the engine hands them to queries, each with an identity: its place in the list.
func documents(objects []map[string]any) (ast.Value, error) {
	for i, object := range objects {
		object["id"] = strconv.Itoa(i)
		object["file"] = "objects"
	}
	return ast.InterfaceToValue(map[string]any{"document": objects})
}

type answer struct {
	DocumentID string `json:"documentId"`
	SearchKey  string `json:"searchKey"`
}

func ask(ctx context.Context, query *rego.PreparedEvalQuery, input ast.Value) ([]answer, error) {
	results, err := query.Eval(ctx, rego.EvalParsedInput(input))
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, fmt.Errorf("%d results", len(results))
	}
	text, err := json.Marshal(results[0].Bindings["result"])
	if err != nil {
		return nil, err
	}
	var found []answer
	err = json.Unmarshal(text, &found)
	return found, err
}
