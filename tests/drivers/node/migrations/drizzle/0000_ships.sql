CREATE TABLE "ships" (
	"id" serial PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	CONSTRAINT "ships_name_unique" UNIQUE("name")
);
